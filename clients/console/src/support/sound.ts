/** Sounds made on the spot, so that nothing has to be loaded when it matters. */
let context: AudioContext | null = null;
const MUTED = "zhenjian.sound.muted";

export const sound = {
  get muted(): boolean {
    return localStorage.getItem(MUTED) === "1";
  },
  set muted(value: boolean) {
    localStorage.setItem(MUTED, value ? "1" : "0");
  },
};

function audio(): AudioContext | null {
  if (!("AudioContext" in window)) return null;
  context ??= new AudioContext();
  // Browsers hold sound back until the first click; then it resumes.
  if (context.state === "suspended") void context.resume();
  return context;
}

function note(at: AudioContext, start: number, frequency: number, length: number): void {
  const tone = at.createOscillator();
  const loudness = at.createGain();
  tone.type = "sine";
  tone.frequency.value = frequency;
  loudness.gain.setValueAtTime(0, start);
  loudness.gain.linearRampToValueAtTime(0.16, start + 0.02);
  loudness.gain.exponentialRampToValueAtTime(0.001, start + length);
  tone.connect(loudness).connect(at.destination);
  tone.start(start);
  tone.stop(start + length);
}

function play(notes: [offset: number, frequency: number, length: number][]): void {
  if (sound.muted) return;
  const at = audio();
  if (!at) return;
  for (const [offset, frequency, length] of notes) {
    note(at, at.currentTime + offset, frequency, length);
  }
}

/** A new patient waits: two rising notes, twice. */
export const chimeWaiting = (): void =>
  play([
    [0, 659, 0.3],
    [0.16, 880, 0.5],
    [0.7, 659, 0.3],
    [0.86, 880, 0.5],
  ]);

/** Something else arrived: one soft note. */
export const chimeNotice = (): void => play([[0, 784, 0.35]]);

/** Rings until the returned function is called. */
export function ring(): () => void {
  const once = () =>
    play([
      [0, 587, 0.35],
      [0.2, 740, 0.35],
      [0.4, 880, 0.5],
    ]);
  once();
  const timer = setInterval(once, 2400);
  return () => clearInterval(timer);
}
