import { FreezeWatch } from "./call-freezes";
import { CallRecovery, type Remedy } from "./call-recovery";
import { CallSession, type LocalTracks, type StreamOf } from "./call-session";
import type { LiveStatus } from "./call-status";
import type { CallClientOptions, CallSignalling } from "./call-types";
import { asRealtimeError, RealtimeError } from "./errors";
import type { MediaPort } from "./media";
import { RemoteStreams } from "./remote-streams";
import type { CallOffer, IceServer } from "./types";

export interface ConnectionHandlers {
  tracks(): LocalTracks;
  /** Asks the server for a fresh path or session; whether it heard. Never rejects. */
  ask(remedy: Remedy): Promise<boolean>;
  /** We look on unseen: nothing of us is told. */
  observes(): boolean;
  remotes(streams: ReadonlyMap<string, MediaStream>): void;
  screens(streams: ReadonlyMap<string, MediaStream>): void;
  problem(problem: RealtimeError): void;
}

/** The way of pictures and sound: one session after another, and what is done when media stops. */
export class CallConnection {
  readonly recovery: CallRecovery;
  readonly others: RemoteStreams;
  readonly shared: RemoteStreams;
  iceServers: IceServer[] = [];
  private session: CallSession | null = null;
  private readonly retired = new Set<string>();
  private early: CallOffer | null = null;
  private shown = "";
  private turns = false;
  private readonly freezes: FreezeWatch;
  private readonly signalling: CallSignalling;

  constructor(
    private readonly options: CallClientOptions,
    private readonly media: MediaPort,
    private readonly status: LiveStatus,
    private readonly handlers: ConnectionHandlers,
  ) {
    this.signalling = options.signalling;
    this.others = new RemoteStreams((streams) => handlers.remotes(streams));
    this.shared = new RemoteStreams((streams) => handlers.screens(streams));
    this.freezes = new FreezeWatch({
      stats: () => this.stats(),
      looked: (freezes, frozenMs) => void this.tellFreezes(freezes, frozenMs),
    });
    this.recovery = new CallRecovery(
      {
        flows: () => status.free || this.connected,
        ask: (remedy) => this.recover(remedy),
      },
      options.restartAfterMs ?? 4000,
      options.healAfterMs ?? 1000,
    );
  }

  get connected(): boolean {
    return this.session?.state === "connected";
  }

  /** Puts the current local tracks on the lines. */
  async publish(): Promise<void> {
    await this.session?.publish();
  }

  stats(): Promise<RTCStatsReport> | null {
    return this.session?.stats() ?? null;
  }

  async onOffer(offer: CallOffer): Promise<void> {
    const { call, phase } = this.status.now;
    if (!call) {
      // The offer overtook the acknowledgement of call:start or call:accept.
      if (phase === "outgoing") this.early = offer;
      return;
    }
    if (call.id !== offer.call || this.status.free || phase === "incoming") return;
    if (this.retired.has(offer.session)) return;
    if (offer.ice_servers) this.iceServers = offer.ice_servers;
    if (this.session?.id !== offer.session) this.begin(offer.session);
    else if (offer.ice_servers) this.session.useServers(offer.ice_servers);
    try {
      await this.session?.offer(offer);
    } catch (error) {
      // Its session is over (hung up, or replaced), or a newer offer is under way already.
      if (this.session?.id !== offer.session) return;
      if (error instanceof RealtimeError && error.code === "stale_answer") return;
      this.recovery.soon(0);
      if (error instanceof RealtimeError && !error.transient) return;
      this.handlers.problem(asRealtimeError(error));
    }
  }

  /** Takes up the offer that came before its call was known. */
  async takeEarly(call: string): Promise<void> {
    const { early } = this;
    this.early = null;
    if (early && early.call === call) await this.onOffer(early);
  }

  async show(lines: Readonly<Record<string, number>>, screen?: number): Promise<void> {
    const { call } = this.status;
    const shown = JSON.stringify([lines, screen]);
    if (!call || this.status.free || this.handlers.observes() || shown === this.shown) return;
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

  /** The call is over. */
  end(): void {
    this.recovery.stop();
    this.close();
    this.early = null;
  }

  /** The next session comes because our place in the call changed, not because anything broke. */
  turning(): void {
    this.turns = true;
  }

  private begin(id: string): void {
    const phase = this.turns ? "connecting" : "reconnecting";
    this.turns = false;
    if (this.status.now.phase === "connected") this.status.change({ phase });
    this.close();
    this.recovery.begun();
    this.session = new CallSession(
      id,
      this.media,
      {
        iceServers: this.iceServers,
        iceTransportPolicy: this.options.iceTransportPolicy ?? "all",
        bundlePolicy: "max-bundle",
      },
      () => this.handlers.tracks(),
      {
        answer: async (session, version, sdp) => {
          const { call } = this.status;
          if (!call) return;
          await this.signalling.request("call:answer", { call, session, version, sdp });
        },
        remote: (of, user, track) => this.streams(of).add(user, track),
        remoteEnded: (of, user, track) => this.streams(of).remove(user, track),
        connection: (state) => this.onState(id, state),
      },
      this.options.maxVideoBitrate ?? 1_200_000,
    );
  }

  private close(): void {
    if (!this.session) return;
    this.retired.add(this.session.id);
    this.session.close();
    this.freezes.stop();
    this.session = null;
    this.others.clear();
    this.shared.clear();
    this.shown = "";
    const { paused, screenPaused, freezing } = this.status.now;
    if (paused.length > 0 || screenPaused || freezing)
      this.status.change({ paused: [], screenPaused: false, freezing: false });
  }

  private onState(session: string, state: RTCPeerConnectionState): void {
    if (this.session?.id !== session || this.status.free) return;
    if (state === "connected") {
      this.recovery.connected();
      this.freezes.start();
      if (this.status.now.call?.state === "active") this.status.change({ phase: "connected" });
    } else if (state === "disconnected" || state === "failed") {
      if (this.status.now.phase === "connected") this.status.change({ phase: "reconnecting" });
      this.recovery.interrupted(state);
    }
  }

  private recover(remedy: Remedy): Promise<boolean> {
    if (this.status.now.phase === "connected" && !this.connected)
      this.status.change({ phase: "reconnecting" });
    return this.handlers.ask(remedy);
  }

  private streams(of: StreamOf): RemoteStreams {
    return of === "screen" ? this.shared : this.others;
  }

  private async tellFreezes(freezes: number, frozen_ms: number): Promise<void> {
    const { call } = this.status;
    if (!call || !this.status.talking) return;
    if (this.status.now.freezing !== freezes > 0) this.status.change({ freezing: freezes > 0 });
    if (freezes === 0 || this.handlers.observes()) return;
    // A hint: what is lost with the socket is not missed.
    await this.signalling
      .request("call:update", { call, action: "freezes", freezes, frozen_ms })
      .catch(() => undefined);
  }
}
