import type { MediaPort } from "./media";
import type { CallOffer, IceServer } from "./types";

const USER_STREAM = /^([us])_(.+)$/;
/** The line into which our screen goes, from the first sharing on. */
const SCREEN_MID = "screen";
/** A screen has a part of its own beside the camera, in bits per second. */
const MAX_SCREEN_BITRATE = 2_500_000;

export interface LocalTracks {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  screen?: MediaStreamTrack | null;
}

/** What of somebody a stream is: himself (sound and picture), or the screen that he shares. */
export type StreamOf = "person" | "screen";

export interface SessionHandlers {
  answer(session: string, version: number, sdp: string): Promise<void>;
  remote(of: StreamOf, user: string, track: MediaStreamTrack): void;
  remoteEnded(of: StreamOf, user: string, track: MediaStreamTrack): void;
  connection(state: RTCPeerConnectionState): void;
}

/**
 * One PeerConnection for one session id. The server is the only offerer: its first offer brings one audio and
 * one video line that it receives (ours to publish into), later ones the lines of the other participants.
 */
export class CallSession {
  private readonly pc: RTCPeerConnection;
  private audioSender: RTCRtpSender | null = null;
  private videoSender: RTCRtpSender | null = null;
  private screenSender: RTCRtpSender | null = null;
  private version = 0;
  private closed = false;
  private work: Promise<void> = Promise.resolve();

  constructor(
    readonly id: string,
    media: MediaPort,
    private readonly configuration: RTCConfiguration,
    private readonly tracks: () => LocalTracks,
    private readonly handlers: SessionHandlers,
    private readonly maxVideoBitrate: number,
  ) {
    this.pc = media.peerConnection(configuration);
    this.pc.ontrack = (event) => this.onTrack(event);
    this.pc.onconnectionstatechange = () => {
      if (!this.closed) handlers.connection(this.pc.connectionState);
    };
  }

  get state(): RTCPeerConnectionState {
    return this.pc.connectionState;
  }

  /** Fresh credentials for the relays, for the path that is looked for next. */
  useServers(iceServers: IceServer[]): void {
    if (!this.closed) this.pc.setConfiguration({ ...this.configuration, iceServers });
  }

  /** Offers are answered one after another, in the order of their versions; an older one is ignored. */
  offer(offer: CallOffer): Promise<void> {
    // One refused answer does not stop the offers after it.
    const before = this.work.catch(() => undefined);
    this.work = before.then(() => this.negotiate(offer));
    return this.work;
  }

  /** Puts the current local tracks on the lines; no negotiation is needed for it. */
  async publish(): Promise<void> {
    const tracks = this.tracks();
    await this.audioSender?.replaceTrack(tracks.audio);
    await this.videoSender?.replaceTrack(tracks.video);
    await this.screenSender?.replaceTrack(tracks.screen ?? null);
  }

  stats(): Promise<RTCStatsReport> {
    return this.pc.getStats();
  }

  close(): void {
    this.closed = true;
    this.pc.ontrack = null;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  private async negotiate(offer: CallOffer): Promise<void> {
    if (this.closed || offer.version <= this.version) return;
    this.version = offer.version;
    await this.pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    await this.takeLines();
    const answer = await this.pc.createAnswer();
    await this.pc.setLocalDescription(answer);
    if (this.closed) return;
    await this.limitVideo();
    await this.limitScreen();
    // The worker speaks ICE-lite and learns our address from our checks: no candidate is waited for.
    await this.handlers.answer(
      this.id,
      offer.version,
      this.pc.localDescription?.sdp ?? answer.sdp ?? "",
    );
  }

  /** The transceivers must be those that the offer created: adding own ones makes Chromium answer inactive. */
  private async takeLines(): Promise<void> {
    if (!this.audioSender && !this.videoSender) {
      for (const transceiver of this.pc.getTransceivers()) {
        if (transceiver.mid !== "0" && transceiver.mid !== "1") continue;
        transceiver.direction = "sendonly";
        const kind = transceiver.receiver.track.kind;
        if (kind === "audio") this.audioSender = transceiver.sender;
        else this.videoSender = transceiver.sender;
      }
    }
    if (!this.screenSender) {
      const line = this.pc.getTransceivers().find((one) => one.mid === SCREEN_MID);
      if (line) {
        line.direction = "sendonly";
        this.screenSender = line.sender;
      }
    }
    await this.publish();
  }

  /** A screen keeps every line; when the network is short of room, it moves less. */
  private async limitScreen(): Promise<void> {
    const parameters = this.screenSender?.getParameters();
    const encoding = parameters?.encodings?.[0];
    if (!parameters || !encoding || encoding.maxBitrate === MAX_SCREEN_BITRATE) return;
    encoding.maxBitrate = MAX_SCREEN_BITRATE;
    parameters.degradationPreference = "maintain-resolution";
    try {
      await this.screenSender?.setParameters(parameters);
    } catch {
      // The hint on the track says the same.
    }
  }

  private async limitVideo(): Promise<void> {
    const sender = this.videoSender;
    if (!sender) return;
    const parameters = sender.getParameters();
    const encodings = parameters.encodings ?? [];
    if (encodings.length === 0 || encodings.at(-1)?.maxBitrate === this.maxVideoBitrate) return;
    // Smallest first, as the offer names them; each is half as high as the next one.
    encodings.forEach((encoding, at) => {
      const smaller = encodings.length - 1 - at;
      encoding.maxBitrate = Math.round(this.maxVideoBitrate / 3 ** smaller);
      if (encodings.length > 1) encoding.scaleResolutionDownBy = 2 ** smaller;
    });
    parameters.degradationPreference = "maintain-framerate";
    try {
      await sender.setParameters(parameters);
    } catch {
      // Some browsers refuse single fields; the congestion control still limits the stream.
    }
  }

  private onTrack(event: RTCTrackEvent): void {
    const found = event.streams.map((stream) => USER_STREAM.exec(stream.id)).find(Boolean);
    const user = found?.[2];
    if (!user) return;
    const of = found[1] === "s" ? "screen" : "person";
    const { track } = event;
    this.handlers.remote(of, user, track);
    track.onended = () => this.handlers.remoteEnded(of, user, track);
    for (const stream of event.streams) {
      stream.onremovetrack = (removed) => this.handlers.remoteEnded(of, user, removed.track);
    }
  }
}
