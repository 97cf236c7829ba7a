import type { LocalTracks } from "../call-session";
import { browserMedia, MediaError, type MediaPort, type MediaProblem } from "../media";
import { networkVerdict, tryNetwork, type NetworkFigures, type TrialPort } from "./network";
import { microphoneMeter, playTestSound, type Meter } from "./sound";

export type CheckPart = "microphone" | "camera" | "speaker" | "network";
/** `ask`: the person is asked for something (to speak, whether a sound was heard). */
export type CheckState = "waiting" | "running" | "ask" | "good" | "warn" | "bad";

export interface CheckStep {
  state: CheckState;
  text: string;
  /** What to do; empty when nothing needs doing. */
  advice: string;
}

export interface CheckReport {
  steps: Readonly<Record<CheckPart, CheckStep>>;
  /** The own picture; null without a camera. */
  picture: MediaStream | null;
  /** How far the trial of the network has come, from 0 to 1. */
  progress: number;
  figures: NetworkFigures | null;
  /** Every part has its result. */
  finished: boolean;
  verdict: "video" | "voice" | "none" | null;
}

export interface CheckOptions {
  trial: TrialPort;
  /** What a refused trial says to the person. */
  refusal: (error: unknown) => string;
  changed: (report: CheckReport) => void;
  media?: MediaPort;
  meter?: (track: MediaStreamTrack) => Meter;
  sound?: (speaker: string) => Promise<void>;
  network?: typeof tryNetwork;
  userAgent?: string;
}

/** From here on somebody speaks; the noise of a room stays below. */
const SPOKEN = 0.35;
const SILENCE_MS = 8000;
const LOOK_MS = 100;

const step = (state: CheckState, text: string, advice = ""): CheckStep => ({ state, text, advice });

/** What to do about a device that cannot be used, in words for a patient. */
export function deviceAdvice(
  problem: MediaProblem,
  device: "microphone" | "camera",
  userAgent: string,
): string {
  const name = device === "microphone" ? "麦克风" : "摄像头";
  const app = /MicroMessenger/i.test(userAgent) ? "微信" : "浏览器";
  const phone = /iPhone|iPad|Android|Mobile/i.test(userAgent);
  switch (problem) {
    case "permission_denied":
      return phone
        ? `请打开手机的“设置”，找到${app}，允许使用${name}；回到这里后点“重新检测”`
        : `请点浏览器地址栏左侧的图标，允许使用${name}，再点“重新检测”`;
    case "no_device":
      return phone
        ? `手机没有可用的${name}，请换一部手机`
        : `请接上${name}（或带${name}的耳机），再点“重新检测”`;
    case "device_busy":
      return `请关闭正在使用${name}的其他程序或通话，再点“重新检测”`;
    case "insecure_page":
      return "请用 https 开头的网址重新打开本页";
    case "unsupported":
      return "请换用新版 Chrome、Edge 或 Safari 浏览器打开本页";
    default:
      return `请重新插拔${name}或重启手机，再点“重新检测”`;
  }
}

const TEXT: Record<MediaProblem, string> = {
  permission_denied: "没有使用权限",
  no_device: "没有找到",
  device_busy: "正被其他程序使用",
  not_available: "不可用",
  insecure_page: "页面不是安全连接，不能使用",
  unsupported: "这个浏览器不支持",
  unknown: "打不开",
};

/** The check before a call: camera, microphone, loudspeaker and the way to the media server. */
export class DeviceCheck {
  private report: CheckReport = fresh();
  private tracks: LocalTracks = { audio: null, video: null };
  private meter: Meter | null = null;
  private turn = 0;
  private readonly media: MediaPort;

  constructor(private readonly options: CheckOptions) {
    this.media = options.media ?? browserMedia();
  }

  get current(): CheckReport {
    return this.report;
  }

  /** How loud the microphone is now, from 0 to 1. */
  level(): number {
    return this.meter?.level() ?? 0;
  }

  /** Checks everything anew. */
  async start(): Promise<void> {
    const turn = this.restart();
    this.set("microphone", step("running", "正在打开麦克风…"));
    this.set("camera", step("running", "正在打开摄像头…"));
    this.set("speaker", step("ask", "点“播放声音”，听一听"));
    // One after the other: browsers show one question for permission at a time.
    await this.openMicrophone(turn);
    await this.openCamera(turn);
    if (turn !== this.turn) return;
    await this.measure(turn);
  }

  /** Plays the test sound; the person then says whether it was heard. */
  async play(speaker = ""): Promise<void> {
    const turn = this.turn;
    this.set("speaker", step("running", "正在播放…"));
    try {
      await (this.options.sound ?? playTestSound)(speaker);
      if (turn === this.turn) this.set("speaker", step("ask", "听到声音了吗？"));
    } catch {
      if (turn === this.turn)
        this.set("speaker", step("warn", "没有播放出来", "请再点一次“播放声音”"));
    }
  }

  heard(yes: boolean): void {
    this.set(
      "speaker",
      yes
        ? step("good", "声音正常")
        : step("warn", "没有听到声音", "请调大音量，关闭静音开关，检查耳机或蓝牙，再播放一次"),
    );
  }

  /** Lets go of camera, microphone and trial. */
  stop(): void {
    this.turn += 1;
    this.meter?.stop();
    this.meter = null;
    this.tracks.audio?.stop();
    this.tracks.video?.stop();
    this.tracks = { audio: null, video: null };
  }

  private restart(): number {
    this.stop();
    this.report = fresh();
    return this.turn;
  }

  private async openMicrophone(turn: number): Promise<void> {
    const track = await this.open("microphone", turn, () => this.media.microphone(null));
    if (!track) return;
    this.tracks = { ...this.tracks, audio: track };
    this.meter = (this.options.meter ?? microphoneMeter)(track);
    this.set("microphone", step("ask", "请说一句话，例如“您好”"));
    void this.listen(turn);
  }

  private async openCamera(turn: number): Promise<void> {
    if (turn !== this.turn) return;
    const track = await this.open("camera", turn, () => this.media.camera(null, "user"));
    if (!track) return;
    this.tracks = { ...this.tracks, video: track };
    this.change({ picture: new MediaStream([track]) });
    this.set("camera", step("good", "画面正常"));
  }

  private async open(
    device: "microphone" | "camera",
    turn: number,
    work: () => Promise<MediaStreamTrack>,
  ): Promise<MediaStreamTrack | null> {
    try {
      const track = await work();
      if (turn === this.turn) return track;
      track.stop();
    } catch (error) {
      const problem = error instanceof MediaError ? error.problem : "unknown";
      const agent = this.options.userAgent ?? globalThis.navigator?.userAgent ?? "";
      const name = device === "microphone" ? "麦克风" : "摄像头";
      if (turn === this.turn) {
        this.set(
          device,
          step("bad", `${name}${TEXT[problem]}`, deviceAdvice(problem, device, agent)),
        );
      }
    }
    return null;
  }

  private async listen(turn: number): Promise<void> {
    for (let waited = 0; turn === this.turn; waited += LOOK_MS) {
      if (this.level() >= SPOKEN) {
        this.set("microphone", step("good", "声音正常"));
        return;
      }
      if (waited === SILENCE_MS) {
        const advice = "请靠近麦克风说话；戴着耳机时，检查耳机上的静音开关";
        this.set("microphone", step("warn", "还没有听到您的声音", advice));
      }
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  private async measure(turn: number): Promise<void> {
    this.set("network", step("running", "正在连接音视频服务…"));
    try {
      const figures = await (this.options.network ?? tryNetwork)(this.options.trial, {
        tracks: this.tracks,
        media: this.media,
        progress: (progress) => {
          if (turn === this.turn) this.change({ progress });
        },
        stopped: () => turn !== this.turn,
      });
      if (turn !== this.turn) return;
      const verdict = networkVerdict(figures);
      const state = { good: "good", fair: "warn", poor: "warn", blocked: "bad" } as const;
      this.change({ figures, progress: 1 });
      this.set("network", step(state[verdict.level], verdict.text, verdict.advice));
    } catch (error) {
      if (turn !== this.turn) return;
      this.set("network", step("bad", "没有测成", this.options.refusal(error)));
    }
  }

  private set(part: CheckPart, next: CheckStep): void {
    this.change({ steps: { ...this.report.steps, [part]: next } });
  }

  private change(change: Partial<CheckReport>): void {
    const next = { ...this.report, ...change };
    const states = Object.values(next.steps).map((one) => one.state);
    next.finished = states.every((one) => one === "good" || one === "warn" || one === "bad");
    next.verdict = verdictOf(next.steps);
    this.report = next;
    this.options.changed(next);
  }
}

/** Which call is possible; null while the devices or the network are not known yet. */
function verdictOf(steps: CheckReport["steps"]): CheckReport["verdict"] {
  const { microphone, camera, network } = steps;
  if (microphone.state === "bad" || network.state === "bad") return "none";
  const open = [microphone, camera, network].some(
    (one) => one.state === "running" || one.state === "waiting" || one.state === "ask",
  );
  if (open) return null;
  return camera.state === "bad" ? "voice" : "video";
}

function fresh(): CheckReport {
  const waiting = step("waiting", "等待检测");
  return {
    steps: { microphone: waiting, camera: waiting, speaker: waiting, network: waiting },
    picture: null,
    progress: 0,
    figures: null,
    finished: false,
    verdict: null,
  };
}
