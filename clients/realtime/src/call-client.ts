import { onlyWatches } from "./call-lecture";
import { CallSession, type StreamOf } from "./call-session";
import { Emitter } from "./emitter";
import { asRealtimeError, RealtimeError } from "./errors";
import {
  IDLE,
  type CallClientEvents,
  type CallClientOptions,
  type CallPhase,
  type CallSignalling,
  type CallStatus,
} from "./call-types";
import { FreezeWatch } from "./call-freezes";
import { CallRecovery, type Remedy } from "./call-recovery";
import { LocalDevices } from "./local-devices";
import {
  browserMedia,
  MediaError,
  type DeviceChoice,
  type DeviceList,
  type MediaPort,
} from "./media";
import { RemoteStreams } from "./remote-streams";
import type {
  CallMedia,
  CallNetwork,
  CallOffer,
  CallQuality,
  CallSpeaker,
  CallView,
  IceServer,
} from "./types";

type ModerateAction = "mute" | "stop_screen" | "remove" | "invite" | "dismiss" | "lower_hand";
const SILENT = { microphone: false, camera: false } as const;

/** A device's name as media workers know it. */
const safeName = (device: string): string => device.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 80);

interface StartAnswer {
  call: CallView;
  ice_servers?: IceServer[];
}

/** One call at a time: signalling, devices, and the PeerConnection behind them. */
export class CallClient extends Emitter<CallClientEvents> {
  private current: CallStatus = IDLE;
  private session: CallSession | null = null;
  private readonly retired = new Set<string>();
  private iceServers: IceServer[] = [];
  private readonly own: LocalDevices;
  private readonly others = new RemoteStreams((streams) => this.emit("remotes", streams));
  private readonly shared = new RemoteStreams((streams) => this.emit("screens", streams));
  private qualities = new Map<string, CallQuality>();
  private readonly recovery: CallRecovery;
  private readonly freezes = new FreezeWatch({
    stats: () => this.stats(),
    looked: (freezes, frozenMs) => void this.tellFreezes(freezes, frozenMs),
  });
  private observing: { room: string; reason: string } | null = null;
  private early: CallOffer | null = null;
  private shown = "";
  private readonly media: MediaPort;
  private readonly signalling: CallSignalling;
  private readonly unsubscribe: (() => void)[];

  constructor(private readonly options: CallClientOptions) {
    super();
    this.media = options.media ?? browserMedia();
    this.signalling = options.signalling;
    this.own = new LocalDevices(this.media, (device, problem) =>
      this.onDeviceLost(device, problem),
    );
    this.recovery = new CallRecovery(
      {
        flows: () => this.free || this.session?.state === "connected",
        ask: (remedy) => this.recover(remedy),
      },
      options.restartAfterMs ?? 4000,
      options.healAfterMs ?? 1000,
    );
    this.unsubscribe = [
      this.signalling.on("call-ring", ({ call }) => this.onRing(call)),
      this.signalling.on("call-state", (call) => this.onState(call)),
      this.signalling.on("call-offer", (offer) => void this.onOffer(offer)),
      this.signalling.on("call-network", (network) => this.onNetwork(network)),
      this.signalling.on("call-muted", ({ call }) => this.onMuted(call)),
      this.signalling.on("call-speaker", (speaker) => this.onSpeaker(speaker)),
      this.signalling.on("call-quality", (quality) => this.onQuality(quality)),
      this.signalling.on("call-found", ({ room, call }) => this.onFound(room, call)),
      this.signalling.on("online", ({ again }) => {
        if (again && this.talking) this.recovery.onlineAgain();
      }),
      this.media.onNetworkChange(() => {
        if (this.talking) this.recovery.networkChanged();
      }),
      this.media.onDeviceChange(() => void this.refreshDevices()),
    ];
  }

  get status(): CallStatus {
    return this.current;
  }
  get local(): MediaStream | null {
    return this.own.stream;
  }
  get remotes(): ReadonlyMap<string, MediaStream> {
    return this.others.all;
  }
  /** The screen that one of the others shares, by his user id. */
  get screens(): ReadonlyMap<string, MediaStream> {
    return this.shared.all;
  }
  get quality(): ReadonlyMap<string, CallQuality> {
    return this.qualities;
  }
  get choice(): DeviceChoice {
    return this.own.choice;
  }

  /** Rings every device of the other members; a lecture rings nobody. Only clinicians may. */
  async start(room: string, media: CallMedia, options: { lecture?: boolean } = {}): Promise<void> {
    if (!this.free) throw new RealtimeError("busy", "已有通话正在进行");
    this.observing = null;
    this.set({ ...IDLE, phase: "outgoing", camera: media === "video" });
    try {
      await this.openDevices(media);
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
    const call = this.current.call;
    if (!call || this.current.phase !== "incoming") return;
    const camera = call.media === "video" && (options.camera ?? true);
    this.set({ ...this.current, phase: "connecting", camera });
    try {
      await this.openDevices(camera ? "video" : "voice");
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
    const call = this.current.call;
    if (!call) return;
    this.finish("declined");
    await this.signalling.request("call:decline", { call: call.id });
  }

  /** `end` for everybody (the clinician's way), otherwise only this side leaves. */
  async hangUp(options: { end: boolean }): Promise<void> {
    const call = this.current.call;
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
    if (!this.free) throw new RealtimeError("busy", "已有通话正在进行");
    this.observing = { room, reason };
    this.set({ ...IDLE, phase: "outgoing", listening: "observer", ...SILENT });
    try {
      await this.begin(await this.askToObserve(), "outgoing");
    } catch (error) {
      this.finish(asRealtimeError(error).code);
      throw error;
    }
  }

  /** Of a lecture: asks for the stage, or no longer. */
  async raiseHand(up: boolean): Promise<void> {
    const call = this.current.call?.id;
    if (call) await this.signalling.request("call:update", { call, action: "hand", on: up });
  }

  /** Into a call that goes on, or back after a reload: a fresh session comes from the server. */
  async rejoin(call: CallView): Promise<void> {
    if (!this.free) return;
    this.observing = null;
    if (onlyWatches(call, this.options.userId)) {
      this.set({ ...IDLE, phase: "connecting", call, listening: "audience", ...SILENT });
      await this.ask("join");
      return;
    }
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    const camera = call.media === "video" && (me?.video ?? true);
    this.set({ ...IDLE, phase: "connecting", call, camera, microphone: me?.audio ?? true });
    await this.openDevices(camera ? "video" : "voice");
    await this.ask("join");
    await this.tellMedia();
    // What this device shared before is gone with its page.
    if (me?.screen) await this.tellScreen(false);
  }

  /** After `ended`: forget the call. */
  dismiss(): void {
    if (this.current.phase === "ended") this.set(IDLE);
  }

  /**
   * Asks which screen or window to share, and shows it to everybody. Rejects with a {@link MediaError}, or
   * `screen_taken` when somebody else shares already.
   */
  async shareScreen(): Promise<void> {
    if (this.free || this.current.sharing) return;
    await this.own.openScreen(() => void this.stopScreen());
    try {
      if (this.free) throw new RealtimeError("call_ended", "通话已结束");
      await this.tellScreen(true);
    } catch (error) {
      this.own.stop("screen");
      throw error;
    }
    this.set({ ...this.current, sharing: true });
    // The line may be there from an earlier sharing.
    await this.session?.publish();
  }

  async stopScreen(): Promise<void> {
    this.own.stop("screen");
    if (!this.current.sharing) return;
    this.set({ ...this.current, sharing: false });
    await this.session?.publish();
    await this.tellScreen(false).catch((error: unknown) =>
      this.emit("problem", asRealtimeError(error)),
    );
  }

  /**
   * Silences somebody else, ends the sharing of his screen, or puts him out of this call; of a lecture also lets
   * him onto the stage, sends him back, takes down his hand. Only clinicians may, of a lecture its teacher.
   */
  async moderate(user: string, action: ModerateAction): Promise<void> {
    const call = this.current.call?.id;
    if (call) await this.signalling.request("call:moderate", { call, user, action });
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (on && !this.own.tracks.audio) await this.open("microphone");
    this.set({ ...this.current, microphone: on && this.own.tracks.audio !== null });
    this.applyMute();
    await this.session?.publish();
    await this.tellMedia();
  }

  /** Off stops the camera itself, so that its light goes out. */
  async setCamera(on: boolean): Promise<void> {
    if (!on) this.own.stop("camera");
    else if (!this.own.tracks.video) await this.open("camera");
    this.set({ ...this.current, camera: on && this.own.tracks.video !== null });
    this.announceLocal();
    await this.session?.publish();
    await this.tellMedia();
  }

  /** Front and back on a phone; the next camera on a computer. */
  async switchCamera(): Promise<void> {
    const { cameras } = await this.devices();
    const facing = this.current.facing === "user" ? "environment" : "user";
    this.set({ ...this.current, facing });
    const now = this.own.tracks.video?.getSettings().deviceId ?? this.own.choice.camera;
    const index = cameras.findIndex((camera) => camera.deviceId === now);
    const next = cameras.length === 2 || index >= 0 ? cameras[(index + 1) % cameras.length] : null;
    await this.choose({ camera: next?.deviceId ?? null });
  }

  /** Uses other devices, also in the middle of a call. */
  async choose(choice: Partial<DeviceChoice>): Promise<void> {
    this.own.choice = { ...this.own.choice, ...choice };
    if (choice.microphone !== undefined && this.own.tracks.audio) {
      this.own.stop("microphone");
      await this.open("microphone");
      this.applyMute();
    }
    if (choice.camera !== undefined && this.current.camera) {
      this.own.stop("camera");
      await this.open("camera");
      this.set({ ...this.current, camera: this.own.tracks.video !== null });
    }
    this.announceLocal();
    await this.session?.publish();
  }

  /**
   * On how many lines each other participant is shown (0: not at all), and on how many the shared screen: the
   * server sends the size that fits.
   */
  async show(lines: Readonly<Record<string, number>>, screen?: number): Promise<void> {
    const call = this.current.call?.id;
    const shown = JSON.stringify([lines, screen]);
    if (!call || this.free || this.observing || shown === this.shown) return;
    this.shown = shown;
    await this.signalling
      .request("call:update", {
        call,
        action: "view",
        lines,
        ...(screen === undefined ? {} : { screen }),
      })
      .catch(() => (this.shown = ""));
  }

  devices(): Promise<DeviceList> {
    return this.media.devices();
  }

  /** Raw WebRTC statistics of the current session; null without one. */
  stats(): Promise<RTCStatsReport> | null {
    return this.session?.stats() ?? null;
  }

  destroy(): void {
    for (const stop of this.unsubscribe) stop();
    this.finish("closed");
    this.removeAll();
  }

  private get free(): boolean {
    return this.current.phase === "idle" || this.current.phase === "ended";
  }

  private async begin(answer: StartAnswer, phase: CallPhase): Promise<void> {
    this.iceServers = answer.ice_servers ?? [];
    // The call may have moved on while the acknowledgement was under way.
    const phaseNow = answer.call.state === "active" && phase === "outgoing" ? "connecting" : phase;
    this.set({ ...this.current, call: answer.call, phase: phaseNow });
    const { early } = this;
    this.early = null;
    if (early && early.call === answer.call.id) await this.onOffer(early);
    await this.tellMedia();
  }

  private onRing(call: CallView): void {
    if (!this.free || call.started_by === this.options.userId) return;
    this.observing = null;
    this.set({ ...IDLE, phase: "incoming", call, camera: call.media === "video" });
  }

  private onState(call: CallView): void {
    if (this.current.call?.id !== call.id || this.free) return;
    if (call.state === "ended") {
      this.finish(call.end_reason ?? "ended", call);
      return;
    }
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    if (me?.state === "removed") {
      this.finish("removed", call);
      return;
    }
    if (this.current.phase === "incoming") {
      if (me?.state === "joined" && me.device !== this.options.device) {
        this.finish("taken_elsewhere", call);
        return;
      }
      if (me?.state === "declined" || me?.state === "left") {
        this.finish("declined", call);
        return;
      }
    }
    if (this.current.sharing && !me?.screen) this.screenStopped();
    this.followStage(call);
    const answered = this.current.phase === "outgoing" && call.state === "active";
    this.dropAbsent(call);
    this.set({
      ...this.current,
      call,
      phase: answered
        ? this.session?.state === "connected"
          ? "connected"
          : "connecting"
        : this.current.phase,
    });
  }

  private onFound(room: string, call: CallView | null): void {
    const own = this.current.call;
    if (own?.room === room && !this.free) {
      if (!call || call.id !== own.id) this.finish("ended");
      else this.onState(call);
      return;
    }
    if (!call || !this.free) return;
    const me = call.participants.find((person) => person.user_id === this.options.userId);
    if (call.state === "ringing" && me?.state === "ringing") this.onRing(call);
    else if (me?.state === "joined" && me.device === this.options.device) {
      if (this.options.mayRejoin && !this.options.mayRejoin(call)) return;
      this.rejoin(call).catch((error: unknown) => this.emit("problem", asRealtimeError(error)));
    }
  }

  private async onOffer(offer: CallOffer): Promise<void> {
    const { call, phase } = this.current;
    if (!call) {
      // The offer overtook the acknowledgement of call:start or call:accept.
      if (phase === "outgoing") this.early = offer;
      return;
    }
    if (call.id !== offer.call || this.free || phase === "incoming") return;
    if (this.retired.has(offer.session)) return;
    if (offer.ice_servers) this.iceServers = offer.ice_servers;
    if (this.session?.id !== offer.session) this.newSession(offer.session);
    else if (offer.ice_servers) this.session.useServers(offer.ice_servers);
    try {
      await this.session?.offer(offer);
    } catch (error) {
      // Its session is over (hung up, or replaced), or a newer offer is under way already.
      if (this.session?.id !== offer.session) return;
      if (error instanceof RealtimeError && error.code === "stale_answer") return;
      this.recovery.soon(0);
      if (error instanceof RealtimeError && !error.transient) return;
      this.emit("problem", asRealtimeError(error));
    }
  }

  private newSession(id: string): void {
    if (this.current.phase === "connected") this.set({ ...this.current, phase: "reconnecting" });
    this.closeSession();
    this.recovery.begun();
    this.session = new CallSession(
      id,
      this.media,
      {
        iceServers: this.iceServers,
        iceTransportPolicy: this.options.iceTransportPolicy ?? "all",
        bundlePolicy: "max-bundle",
      },
      () => this.own.tracks,
      {
        answer: async (session, version, sdp) => {
          const call = this.current.call?.id;
          if (!call) return;
          await this.signalling.request("call:answer", { call, session, version, sdp });
        },
        remote: (of, user, track) => this.streams(of).add(user, track),
        remoteEnded: (of, user, track) => this.streams(of).remove(user, track),
        connection: (state) => this.onConnection(id, state),
      },
      this.options.maxVideoBitrate ?? 1_200_000,
    );
  }

  private onConnection(session: string, state: RTCPeerConnectionState): void {
    if (this.session?.id !== session || this.free) return;
    if (state === "connected") {
      this.recovery.connected();
      this.freezes.start();
      if (this.current.call?.state === "active") this.set({ ...this.current, phase: "connected" });
    } else if (state === "disconnected" || state === "failed") {
      if (this.current.phase === "connected") this.set({ ...this.current, phase: "reconnecting" });
      this.recovery.interrupted(state);
    }
  }

  private get talking(): boolean {
    const { phase } = this.current;
    return phase === "connecting" || phase === "connected" || phase === "reconnecting";
  }

  private recover(remedy: Remedy): Promise<boolean> {
    if (this.current.phase === "connected" && this.session?.state !== "connected")
      this.set({ ...this.current, phase: "reconnecting" });
    return this.ask(remedy);
  }

  /** Whether the server heard it. */
  private async ask(action: Remedy): Promise<boolean> {
    const call = this.current.call?.id;
    if (!call) return false;
    try {
      // An observer asks anew: each look is on record.
      const answer = await (this.observing
        ? this.askToObserve()
        : this.signalling.request<Partial<StartAnswer>>("call:update", { call, action }));
      if (answer.ice_servers) this.iceServers = answer.ice_servers;
      if (answer.call) this.onState(answer.call);
      return true;
    } catch (error) {
      const problem = asRealtimeError(error);
      if (problem.transient) this.recovery.soon(this.options.restartAfterMs ?? 4000);
      else this.finish(problem.code);
      return false;
    }
  }

  /** The teacher let us onto the stage, or sent us back: devices open and close with it. */
  private followStage(call: CallView): void {
    const { listening } = this.current;
    if (listening === "observer" || !call.lecture) return;
    const watches = onlyWatches(call, this.options.userId);
    if (watches === (listening === "audience")) return;
    if (watches) {
      this.own.stop("microphone");
      this.own.stop("camera");
      this.own.stop("screen");
      this.set({ ...this.current, listening: "audience", sharing: false, ...SILENT });
      this.announceLocal();
    } else {
      this.set({ ...this.current, listening: "no", microphone: true });
      void this.openDevices(call.media).then(async () => {
        await this.session?.publish();
        await this.tellMedia();
      });
    }
  }

  private askToObserve(): Promise<StartAnswer> {
    return this.signalling.request<StartAnswer>("call:observe", { ...this.observing });
  }

  private async tellMedia(): Promise<void> {
    const call = this.current.call?.id;
    if (!call || this.free || this.current.listening !== "no") return;
    const { microphone, camera } = this.current;
    await this.signalling
      .request("call:update", { call, action: "media", audio: microphone, video: camera })
      .catch((error: unknown) => {
        const problem = asRealtimeError(error);
        if (!problem.transient) this.emit("problem", problem);
      });
  }

  private async tellScreen(on: boolean): Promise<void> {
    const call = this.current.call?.id;
    if (call) await this.signalling.request("call:update", { call, action: "screen", on });
  }

  /** A moderator, or the server, ended our sharing. */
  private screenStopped(): void {
    this.own.stop("screen");
    this.set({ ...this.current, sharing: false });
    void this.session?.publish();
  }

  private streams(of: StreamOf): RemoteStreams {
    return of === "screen" ? this.shared : this.others;
  }

  private async tellFreezes(freezes: number, frozen_ms: number): Promise<void> {
    const call = this.current.call?.id;
    if (!call || !this.talking) return;
    if (this.current.freezing !== freezes > 0) this.set({ ...this.current, freezing: freezes > 0 });
    if (freezes === 0 || this.observing) return;
    // A hint: what is lost with the socket is not missed.
    await this.signalling
      .request("call:update", { call, action: "freezes", freezes, frozen_ms })
      .catch(() => undefined);
  }

  private async openDevices(media: CallMedia): Promise<void> {
    await this.open("microphone");
    if (media === "video") await this.open("camera");
    this.set({
      ...this.current,
      microphone: this.own.tracks.audio !== null && this.current.microphone,
      camera: this.own.tracks.video !== null,
    });
    this.applyMute();
    this.announceLocal();
    await this.refreshDevices();
  }

  private async open(device: "microphone" | "camera"): Promise<void> {
    // Who hangs up while the browser asks for permission no longer wants the device.
    const problem = await this.own.open(device, this.current.facing, () => !this.free);
    if (this.free) return;
    this.set({ ...this.current, problems: { ...this.current.problems, [device]: problem } });
    if (problem) this.emit("problem", problem);
  }

  private applyMute(): void {
    const { audio } = this.own.tracks;
    if (audio) audio.enabled = this.current.microphone;
  }

  private onDeviceLost(device: "microphone" | "camera", problem: MediaError): void {
    this.set({
      ...this.current,
      [device]: false,
      problems: { ...this.current.problems, [device]: problem },
    });
    this.announceLocal();
    this.emit("problem", problem);
    void this.session?.publish();
    void this.tellMedia();
  }

  private announceLocal(): void {
    this.emit("local", this.own.stream);
  }

  private async refreshDevices(): Promise<void> {
    try {
      this.emit("devices", await this.media.devices());
    } catch {
      // No device API: the call itself already told why.
    }
  }

  private dropAbsent(call: CallView): void {
    for (const person of call.participants) {
      if (person.state !== "joined") this.others.drop(person.user_id);
      if (!person.screen) this.shared.drop(person.user_id);
    }
  }

  private onQuality(quality: CallQuality): void {
    if (quality.call !== this.current.call?.id) return;
    this.qualities = new Map(this.qualities).set(quality.user, quality);
    this.emit("quality", this.qualities);
  }

  private onNetwork(network: CallNetwork): void {
    if (network.call !== this.current.call?.id || network.device !== safeName(this.options.device))
      return;
    this.set({ ...this.current, paused: network.paused, screenPaused: network.screen });
  }

  /** A moderator silenced us; who wants to speak turns the microphone on again. */
  private onMuted(call: string): void {
    if (call !== this.current.call?.id || this.free) return;
    this.set({ ...this.current, microphone: false });
    this.applyMute();
  }

  private onSpeaker(speaker: CallSpeaker): void {
    if (speaker.call === this.current.call?.id)
      this.set({ ...this.current, speaker: speaker.user });
  }

  private closeSession(): void {
    if (!this.session) return;
    this.retired.add(this.session.id);
    this.session.close();
    this.freezes.stop();
    this.session = null;
    this.others.clear();
    this.shared.clear();
    this.shown = "";
    const { paused, screenPaused, freezing } = this.current;
    if (paused.length > 0 || screenPaused || freezing)
      this.set({ ...this.current, paused: [], screenPaused: false, freezing: false });
  }

  private finish(reason: string, call: CallView | null = this.current.call): void {
    if (this.free) return;
    this.recovery.stop();
    this.closeSession();
    this.own.stop("microphone");
    this.own.stop("camera");
    this.own.stop("screen");
    this.early = null;
    this.qualities = new Map();
    this.set({ ...this.current, phase: "ended", call, endReason: reason, sharing: false });
    this.announceLocal();
    this.emit("quality", this.qualities);
  }

  private set(status: CallStatus): void {
    this.current = status;
    this.emit("status", status);
  }
}
