export interface Ringing {
  stop(): void
}

/** Notes of a ring: frequency in Hz, start and length in seconds; repeated every `every` seconds. */
const TUNES = {
  incoming: {
    every: 2.4,
    notes: [
      [784, 0, 0.22],
      [988, 0.26, 0.22],
      [1175, 0.52, 0.34],
      [988, 1.0, 0.3],
    ],
  },
  outgoing: { every: 4, notes: [[440, 0, 1]] },
} as const

/** Rings until stopped. Browsers that allow no sound before a touch only vibrate. */
export function startRinging(kind: 'incoming' | 'outgoing'): Ringing {
  const nothing = { stop: () => undefined }
  if (typeof AudioContext === 'undefined') return nothing
  const context = new AudioContext()
  const tune = TUNES[kind]

  const play = (): void => {
    if (kind === 'incoming') navigator.vibrate?.([300, 150, 300])
    if (context.state === 'suspended') void context.resume().catch(() => undefined)
    for (const [frequency, start, length] of tune.notes) {
      const tone = context.createOscillator()
      const volume = context.createGain()
      const at = context.currentTime + start
      tone.frequency.value = frequency
      volume.gain.setValueAtTime(0, at)
      volume.gain.linearRampToValueAtTime(0.16, at + 0.03)
      volume.gain.setTargetAtTime(0, at + length, 0.06)
      tone.connect(volume).connect(context.destination)
      tone.start(at)
      tone.stop(at + length + 0.4)
    }
  }
  play()
  const timer = setInterval(play, tune.every * 1000)
  return {
    stop: () => {
      clearInterval(timer)
      navigator.vibrate?.(0)
      void context.close()
    },
  }
}
