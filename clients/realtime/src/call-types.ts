import type { MediaError, MediaPort, DeviceList } from "./media";
import type { RealtimeError } from "./errors";
import type { CallNetwork, CallOffer, CallQuality, CallSpeaker, CallView } from "./types";

/**
 * - `idle`: no call.
 * - `incoming`: this device rings.
 * - `outgoing`: we started the call and wait for an answer.
 * - `connecting`: answered, media is not flowing yet.
 * - `connected`: media flows.
 * - `reconnecting`: media stopped flowing and is being restored.
 * - `ended`: over; `endReason` says why. {@link CallClient.dismiss} goes back to idle.
 */
export type CallPhase =
  | "idle"
  | "incoming"
  | "outgoing"
  | "connecting"
  | "connected"
  | "reconnecting"
  | "ended";

export interface CallStatus {
  phase: CallPhase;
  call: CallView | null;
  /** `completed`, `no_answer`, `declined`, `cancelled`, `taken_elsewhere`, ... */
  endReason: string | null;
  microphone: boolean;
  camera: boolean;
  /** We listen unseen, or as one of a lecture's audience: nothing of us is sent. */
  listening: "no" | "audience" | "observer";
  /** A lecture's teacher asks us onto the stage; no device is opened before we agree. */
  invited: boolean;
  /** We share our screen. */
  sharing: boolean;
  facing: "user" | "environment";
  /** Set while a device cannot be used; the call goes on without it. */
  problems: { microphone: MediaError | null; camera: MediaError | null };
  /** Users whose picture pauses because of our network. */
  paused: readonly string[];
  /** Pictures of the others stood still in the last seconds. */
  freezing: boolean;
  /** The shared screen pauses because of our network. */
  screenPaused: boolean;
  /** Who speaks, or spoke last; null before anybody did. */
  speaker: string | null;
}

export interface CallClientEvents {
  status: CallStatus;
  /** Own picture and sound changed; null when there is none. */
  local: MediaStream | null;
  /** Pictures and sound of the others, by user id. */
  remotes: ReadonlyMap<string, MediaStream>;
  /** The screen that one of the others shares, by his user id: the map holds one at most. */
  screens: ReadonlyMap<string, MediaStream>;
  quality: ReadonlyMap<string, CallQuality>;
  devices: DeviceList;
  problem: RealtimeError | MediaError;
}

/** The part of {@link RoomClient} that calls need. */
export interface CallSignalling {
  request<T>(event: string, payload: object): Promise<T>;
  on(name: "call-ring", listener: (ring: { call: CallView; room: string }) => void): () => void;
  on(name: "call-state", listener: (call: CallView) => void): () => void;
  on(name: "call-offer", listener: (offer: CallOffer) => void): () => void;
  on(name: "call-network", listener: (network: CallNetwork) => void): () => void;
  on(name: "call-muted", listener: (muted: { call: string }) => void): () => void;
  on(name: "call-speaker", listener: (speaker: CallSpeaker) => void): () => void;
  on(name: "call-quality", listener: (quality: CallQuality) => void): () => void;
  on(
    name: "call-found",
    listener: (found: { room: string; call: CallView | null }) => void,
  ): () => void;
  on(name: "online", listener: (info: { again: boolean }) => void): () => void;
}

export interface CallClientOptions {
  signalling: CallSignalling;
  userId: string;
  /** The device id that the connection was opened with. */
  device: string;
  media?: MediaPort;
  /** Bits per second; default 1.2 million. */
  maxVideoBitrate?: number;
  /** Whether this page takes up a call that its device was in before; by default always. */
  mayRejoin?: (call: CallView) => boolean;
  /** `relay` sends everything through the TURN servers; default `all`. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** How long media may be interrupted before a fresh path is asked for; default 1 s. */
  healAfterMs?: number;
  /** How long the fresh path may take before a fresh session is asked for; default 4 s. */
  restartAfterMs?: number;
}

/** No call. */
export const IDLE: CallStatus = {
  phase: "idle",
  call: null,
  endReason: null,
  microphone: true,
  camera: true,
  listening: "no",
  invited: false,
  sharing: false,
  facing: "user",
  problems: { microphone: null, camera: null },
  paused: [],
  freezing: false,
  screenPaused: false,
  speaker: null,
};
