const NOTE = { frequency: 784, seconds: 0.35 }

/** One soft note; silent where a browser allows no sound before a touch. */
export function chime(): void {
  if (typeof AudioContext === 'undefined') return
  const context = new AudioContext()
  const tone = context.createOscillator()
  const volume = context.createGain()
  const at = context.currentTime
  tone.frequency.value = NOTE.frequency
  volume.gain.setValueAtTime(0, at)
  volume.gain.linearRampToValueAtTime(0.16, at + 0.02)
  volume.gain.exponentialRampToValueAtTime(0.001, at + NOTE.seconds)
  tone.connect(volume).connect(context.destination)
  tone.onended = () => void context.close()
  tone.start(at)
  tone.stop(at + NOTE.seconds)
}
