/** How loud a microphone is now, from 0 (silent) to 1; `stop` lets go of it. */
export interface Meter {
  level(): number;
  stop(): void;
}

/** Loudness from samples between -1 and 1: speech at arm's length is near the middle of the scale. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i] ?? 0) ** 2;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms === 0) return 0;
  // -60 dB is the noise of a quiet room, -10 dB a shout.
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 50));
}

export function microphoneMeter(track: MediaStreamTrack): Meter {
  const context = new AudioContext();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  // Browsers begin suspended when nobody touched the page yet.
  void context.resume().catch(() => undefined);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level: () => {
      analyser.getFloatTimeDomainData(samples);
      return loudness(samples);
    },
    stop: () => {
      source.disconnect();
      void context.close().catch(() => undefined);
    },
  };
}

const NOTES = [523, 659, 784];

/** Plays three rising notes on a loudspeaker (empty: the system's); resolves when they are over. */
export async function playTestSound(speaker = ""): Promise<void> {
  const context = new AudioContext() as AudioContext & {
    setSinkId?: (id: string) => Promise<void>;
  };
  try {
    // A speaker that is gone: the system's own is heard instead.
    if (speaker && context.setSinkId) await context.setSinkId(speaker).catch(() => undefined);
    await context.resume();
    NOTES.forEach((frequency, at) => {
      const tone = context.createOscillator();
      const volume = context.createGain();
      const start = context.currentTime + at * 0.35;
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(0.3, start + 0.03);
      volume.gain.setTargetAtTime(0, start + 0.25, 0.05);
      tone.connect(volume).connect(context.destination);
      tone.start(start);
      tone.stop(start + 0.6);
    });
    await new Promise((done) => setTimeout(done, 1400));
  } finally {
    await context.close().catch(() => undefined);
  }
}
