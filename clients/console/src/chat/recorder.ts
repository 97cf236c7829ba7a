import { mediaProblem, MEDIA_PROBLEM_TEXT } from "@zhenjian/realtime";

export interface VoiceTake {
  blob: Blob;
  name: string;
  durationMs: number;
}

/** What browsers can write, best first; the server takes each and keeps one that every client plays. */
const TYPES: [type: string, ending: string][] = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/mp4", "m4a"],
  ["audio/ogg;codecs=opus", "ogg"],
];

/** Records one voice message. `level` is called with the loudness 0..1 while it runs. */
export class VoiceRecorder {
  private recorder: MediaRecorder | null = null;
  private stream: MediaStream | null = null;
  private context: AudioContext | null = null;
  private chunks: Blob[] = [];
  private began = 0;
  private frame = 0;

  constructor(private readonly level: (value: number) => void) {}

  /** @throws Error with a sentence for the screen. */
  async start(): Promise<void> {
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices) throw new Error(MEDIA_PROBLEM_TEXT.insecure_page);
    try {
      this.stream = await devices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      throw new Error(MEDIA_PROBLEM_TEXT[mediaProblem(error)], { cause: error });
    }
    const type = TYPES.find(([candidate]) => MediaRecorder.isTypeSupported(candidate))?.[0];
    this.recorder = new MediaRecorder(this.stream, {
      ...(type ? { mimeType: type } : {}),
      audioBitsPerSecond: 32_000,
    });
    this.chunks = [];
    this.recorder.ondataavailable = (event) => this.chunks.push(event.data);
    this.recorder.start(250);
    this.began = Date.now();
    this.watchLevel(this.stream);
  }

  async stop(): Promise<VoiceTake> {
    const recorder = this.recorder;
    if (!recorder) throw new Error("没有在录音");
    const durationMs = Date.now() - this.began;
    await new Promise<void>((resolve) => {
      recorder.onstop = () => resolve();
      recorder.stop();
    });
    const type = recorder.mimeType || "audio/webm";
    const ending = TYPES.find(([candidate]) =>
      type.startsWith(candidate.split(";")[0] as string),
    )?.[1];
    this.release();
    return {
      blob: new Blob(this.chunks, { type: type.split(";")[0] ?? type }),
      name: `voice.${ending ?? "webm"}`,
      durationMs,
    };
  }

  cancel(): void {
    if (this.recorder && this.recorder.state !== "inactive") this.recorder.stop();
    this.release();
  }

  private watchLevel(stream: MediaStream): void {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 256;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Uint8Array(analyser.fftSize);
    const look = () => {
      analyser.getByteTimeDomainData(samples);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample - 128)), 0);
      this.level(Math.min(1, peak / 96));
      this.frame = requestAnimationFrame(look);
    };
    look();
  }

  private release(): void {
    cancelAnimationFrame(this.frame);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    void this.context?.close();
    this.stream = null;
    this.context = null;
    this.recorder = null;
  }
}
