import { CallConnection } from "./call-connection";
import { notYetOnStage, onlyWatches } from "./call-lecture";
import { OwnMedia } from "./call-own";
import type { Remedy } from "./call-recovery";
import { OwnStage, SILENT } from "./call-stage";
import { LiveStatus } from "./call-status";
import {
  IDLE,
  type CallClientEvents,
  type CallClientOptions,
  type CallPhase,
  type CallSignalling,
  type CallStatus,
} from "./call-types";
import { Emitter } from "./emitter";
import { asRealtimeError, RealtimeError } from "./errors";
import { browserMedia, type DeviceChoice, type DeviceList, type MediaPort } from "./media";
import type { CallMedia, CallNetwork, CallQuality, CallView, IceServer } from "./types";

type ModerateAction = "mute" | "stop_screen" | "remove" | "invite" | "dismiss" | "lower_hand";

/** A device's name as media workers know it. */
const safeName = (device: string): string => device.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 80);

interface StartAnswer {
  call: CallView;
  ice_servers?: IceServer[];
}

/** One call at a time: signalling, devices, and the PeerConnection behind them. */
export class CallClient extends Emitter<CallClientEvents> {
  private readonly live = new LiveStatus((status) => this.emit("status", status));
  private readonly own: OwnMedia;
  private readonly connection: CallConnection;
  private readonly stage: OwnStage;
  private qualities = new Map<string, CallQuality>();
  private observing: { room: string; reason: string } | null = null;
  private readonly media: MediaPort;
  private readonly signalling: CallSignalling;
  private readonly unsubscribe: (() => void)[];

  constructor(private readonly options: CallClientOptions) {
    super();
    this.media = options.media ?? browserMedia();
    this.signalling = options.signalling;
    this.own = new OwnMedia(this.media, this.live, this.signalling, {
      publish: () => this.connection.publish(),
      local: (stream) => this.emit("local", stream),
      devices: (list) => this.emit("devices", list),
      problem: (problem) => this.emit("problem", problem),
    });
    this.connection = new CallConnection(options, this.media, this.live, {
      tracks: () => this.own.tracks,
      ask: (remedy) => this.ask(remedy),
      observes: () => this.observing !== null,
      remotes: (streams) => this.emit("remotes", streams),
      screens: (streams) => this.emit("screens", streams),
      problem: (problem) => this.emit("problem", problem),
    });
    this.stage = new OwnStage(
      options.userId,
      this.live,
      this.own,
      this.connection,
      this.signalling,
    );
    this.unsubscribe = this.listen();
  }

  get status(): CallStatus {
    return this.live.now;
  }
  get local(): MediaStream | null {
    return this.own.stream;
  }
  get remotes(): ReadonlyMap<string, MediaStream> {
    return this.connection.others.all;
  }
  /** The screen that one of the others shares, by his user id. */
  get screens(): ReadonlyMap<string, MediaStream> {
    return this.connection.shared.all;
  }
  get quality(): ReadonlyMap<string, CallQuality> {
    return this.qualities;
  }
  get choice(): DeviceChoice {
    return this.own.choice;
  }

  /** Rings every device of the other members; a lecture rings nobody. Only clinicians may. */
  async start(room: string, media: CallMedia, options: { lecture?: boolean } = {}): Promise<void> {
    if (!this.live.free) throw new RealtimeError("busy", "已有通话正在进行");
    this.observing = null;
    this.live.set({ ...IDLE, phase: "outgoing", camera: media === "video" });
    try {
      await this.own.openFor(media);
      const answer = await this.signalling.request<StartAnswer>("call:start", {
        room,
        media,
        ...(options.lecture ? { lecture: true } : {}),
      });
      await this.begin(answer, "outgoing");
    } catch (error) {
      this.finish(asRealtimeError(error).code);
      throw error;
    }
  }

  /** Answers the ringing call on this device. */
  async accept(options: { camera?: boolean } = {}): Promise<void> {
    const call = this.live.now.call;
    if (!call || this.live.now.phase !== "incoming") return;
    const camera = call.media === "video" && (options.camera ?? true);
    this.live.change({ phase: "connecting", camera });
    try {
      await this.own.openFor(camera ? "video" : "voice");
      const answer = await this.signalling.request<StartAnswer>("call:accept", {
        call: call.id,
        device: this.options.device,
      });
      await this.begin(answer, "connecting");
    } catch (error) {
      const problem = asRealtimeError(error);
      this.finish(problem.code === "call_taken" ? "taken_elsewhere" : problem.code);
      throw error;
    }
  }

  async decline(): Promise<void> {
    const call = this.live.now.call;
    if (!call) return;
    this.finish("declined");
    await this.signalling.request("call:decline", { call: call.id });
  }

  /** `end` for everybody (a moderator's way), otherwise only this side leaves. */
  async hangUp(options: { end: boolean }): Promise<void> {
    const call = this.live.now.call;
    this.finish("hung_up");
    if (call) {
      const everybody = options.end && !this.observing;
      await this.signalling.request(everybody ? "call:end" : "call:leave", { call: call.id });
    }
  }

  /**
   * Listens to the call in a room unseen and unheard; the reason goes into the audit. Only supervisors may. No
   * device of ours is opened.
   */
  async observe(room: string, reason: string): Promise<void> {
    if (!this.live.free) throw new RealtimeError("busy", "已有通话正在进行");
    this.observing = { room, reason };
    this.live.set({ ...IDLE, phase: "outgoing", listening: "observer", ...SILENT });
    try {
      await this.begin(await this.askToObserve(), "outgoing");
    } catch (error) {
      this.finish(asRealtimeError(error).code);
      throw error;
    }
  }

  /** Of a lecture: asks for the stage, or no longer. */
  raiseHand(up: boolean): Promise<void> {
    return this.stage.raiseHand(up);
  }

  /** Onto the stage to which the teacher invited us: microphone and, unless told otherwise, camera open. */
  takeStage(options: { camera?: boolean } = {}): Promise<void> {
    return this.stage.take(options.camera ?? true);
  }

  /** Back among a lecture's audience; also the answer to an invitation that we would rather not take. */
  leaveStage(): Promise<void> {
    return this.stage.leave();
  }

  /** Into a call that goes on, or back after a reload: a fresh session comes from the server. */
  async rejoin(call: CallView): Promise<void> {
    if (!this.live.free) return;
    this.observing = null;
    if (onlyWatches(call, this.options.userId)) {
      this.live.set({ ...IDLE, phase: "connecting", call, listening: "audience", ...SILENT });
      await this.ask("join");
      return;
    }
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    if (notYetOnStage(call, this.options.userId)) {
      this.live.set({ ...IDLE, phase: "connecting", call, invited: true, ...SILENT });
      await this.ask("join");
      return;
    }
    const camera = call.media === "video" && (me?.video ?? true);
    this.live.set({ ...IDLE, phase: "connecting", call, camera, microphone: me?.audio ?? true });
    await this.own.openFor(camera ? "video" : "voice");
    await this.ask("join");
    await this.own.tell();
    // What this device shared before is gone with its page.
    if (me?.screen) await this.own.tellScreen(false);
  }

  /** After `ended`: forget the call. */
  dismiss(): void {
    if (this.live.now.phase === "ended") this.live.set(IDLE);
  }

  /**
   * Asks which screen or window to share, and shows it to everybody. Rejects with a {@link MediaError}, or
   * `screen_taken` when somebody else shares already.
   */
  shareScreen(): Promise<void> {
    return this.own.shareScreen();
  }

  stopScreen(): Promise<void> {
    return this.own.stopScreen();
  }

  /**
   * Silences somebody else, ends the sharing of his screen, or puts him out of this call; of a lecture also lets
   * him onto the stage, sends him back, takes down his hand. Only the call's moderators may; of the first three also
   * a supervisor who observes it.
   */
  async moderate(user: string, action: ModerateAction): Promise<void> {
    const call = this.live.call;
    if (call) await this.signalling.request("call:moderate", { call, user, action });
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.own.setMicrophone(on);
  }

  /** Off stops the camera itself, so that its light goes out. */
  setCamera(on: boolean): Promise<void> {
    return this.own.setCamera(on);
  }

  /** Front and back on a phone; the next camera on a computer. */
  switchCamera(): Promise<void> {
    return this.own.switchCamera();
  }

  /** Uses other devices, also in the middle of a call. */
  choose(choice: Partial<DeviceChoice>): Promise<void> {
    return this.own.choose(choice);
  }

  /**
   * On how many lines each other participant is shown (0: not at all), and on how many the shared screen: the
   * server sends the size that fits.
   */
  show(lines: Readonly<Record<string, number>>, screen?: number): Promise<void> {
    return this.connection.show(lines, screen);
  }

  devices(): Promise<DeviceList> {
    return this.media.devices();
  }

  /** Raw WebRTC statistics of the current session; null without one. */
  stats(): Promise<RTCStatsReport> | null {
    return this.connection.stats();
  }

  destroy(): void {
    for (const stop of this.unsubscribe) stop();
    this.finish("closed");
    this.removeAll();
  }

  private listen(): (() => void)[] {
    return [
      this.signalling.on("call-ring", ({ call }) => this.onRing(call)),
      this.signalling.on("call-state", (call) => this.onState(call)),
      this.signalling.on("call-offer", (offer) => void this.connection.onOffer(offer)),
      this.signalling.on("call-network", (network) => this.onNetwork(network)),
      this.signalling.on("call-muted", ({ call }) => {
        // Who wants to speak turns the microphone on again.
        if (call === this.live.call && !this.live.free) this.own.silence();
      }),
      this.signalling.on("call-speaker", ({ call, user }) => {
        if (call === this.live.call) this.live.change({ speaker: user });
      }),
      this.signalling.on("call-quality", (quality) => this.onQuality(quality)),
      this.signalling.on("call-found", ({ room, call }) => this.onFound(room, call)),
      this.signalling.on("online", ({ again }) => {
        if (again && this.live.talking) this.connection.recovery.onlineAgain();
      }),
      this.media.onNetworkChange(() => {
        if (this.live.talking) this.connection.recovery.networkChanged();
      }),
      this.media.onDeviceChange(() => void this.own.refresh()),
    ];
  }

  private async begin(answer: StartAnswer, phase: CallPhase): Promise<void> {
    this.connection.iceServers = answer.ice_servers ?? [];
    // The call may have moved on while the acknowledgement was under way.
    const phaseNow = answer.call.state === "active" && phase === "outgoing" ? "connecting" : phase;
    this.live.change({ call: answer.call, phase: phaseNow });
    await this.connection.takeEarly(answer.call.id);
    await this.own.tell();
  }

  private onRing(call: CallView): void {
    if (!this.live.free || call.started_by === this.options.userId) return;
    this.observing = null;
    this.live.set({ ...IDLE, phase: "incoming", call, camera: call.media === "video" });
  }

  private onState(call: CallView): void {
    if (this.live.call !== call.id || this.live.free) return;
    if (call.state === "ended") {
      this.finish(call.end_reason ?? "ended", call);
      return;
    }
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    if (me?.state === "removed") {
      this.finish("removed", call);
      return;
    }
    if (this.live.now.phase === "incoming") {
      if (me?.state === "joined" && me.device !== this.options.device) {
        this.finish("taken_elsewhere", call);
        return;
      }
      if (me?.state === "declined" || me?.state === "left") {
        this.finish("declined", call);
        return;
      }
    }
    if (this.live.now.sharing && !me?.screen) this.own.screenStopped();
    this.stage.follow(call);
    const answered = this.live.now.phase === "outgoing" && call.state === "active";
    this.dropAbsent(call);
    this.live.change({
      call,
      phase: answered
        ? this.connection.connected
          ? "connected"
          : "connecting"
        : this.live.now.phase,
    });
  }

  private onFound(room: string, call: CallView | null): void {
    const own = this.live.now.call;
    if (own?.room === room && !this.live.free) {
      if (!call || call.id !== own.id) this.finish("ended");
      else this.onState(call);
      return;
    }
    if (!call || !this.live.free) return;
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    if (call.state === "ringing" && me?.state === "ringing") this.onRing(call);
    else if (me?.state === "joined" && me.device === this.options.device) {
      if (this.options.mayRejoin && !this.options.mayRejoin(call)) return;
      this.rejoin(call).catch((error: unknown) => this.emit("problem", asRealtimeError(error)));
    }
  }

  /** Whether the server heard it. */
  private async ask(action: Remedy): Promise<boolean> {
    const call = this.live.call;
    if (!call) return false;
    try {
      // An observer asks anew: each look is on record.
      const answer = await (this.observing
        ? this.askToObserve()
        : this.signalling.request<Partial<StartAnswer>>("call:update", { call, action }));
      if (answer.ice_servers) this.connection.iceServers = answer.ice_servers;
      if (answer.call) this.onState(answer.call);
      return true;
    } catch (error) {
      const problem = asRealtimeError(error);
      if (problem.transient) this.connection.recovery.soon(this.options.restartAfterMs ?? 4000);
      else this.finish(problem.code);
      return false;
    }
  }

  private askToObserve(): Promise<StartAnswer> {
    return this.signalling.request<StartAnswer>("call:observe", { ...this.observing });
  }

  private dropAbsent(call: CallView): void {
    for (const person of call.participants) {
      if (person.state !== "joined") this.connection.others.drop(person.user_id);
      if (!person.screen) this.connection.shared.drop(person.user_id);
    }
  }

  private onQuality(quality: CallQuality): void {
    if (quality.call !== this.live.call) return;
    this.qualities = new Map(this.qualities).set(quality.user, quality);
    this.emit("quality", this.qualities);
  }

  private onNetwork(network: CallNetwork): void {
    if (network.call !== this.live.call || network.device !== safeName(this.options.device)) return;
    this.live.change({ paused: network.paused, screenPaused: network.screen });
  }

  private finish(reason: string, call: CallView | null = this.live.now.call): void {
    if (this.live.free) return;
    this.connection.end();
    this.own.closeAll();
    this.qualities = new Map();
    this.live.change({ phase: "ended", call, endReason: reason, sharing: false });
    this.own.announce();
    this.emit("quality", this.qualities);
  }
}
