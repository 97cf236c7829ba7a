/** Shapes of the wire protocol. Times are ISO-8601 strings in UTC, durations are milliseconds. */

export type Role =
  | "patient"
  | "doctor"
  | "nurse"
  | "pharmacist"
  | "administrator"
  | "supervisor"
  | "operator"
  | "customer_service";

export type FileKind = "image" | "voice" | "video" | "file";

export interface FileRef {
  id: string;
  name: string;
  kind: FileKind;
  content_type: string;
  /** Bytes. */
  size: number;
  width?: number | null;
  height?: number | null;
  duration_ms?: number | null;
  /** Loudness over time, 0..100. */
  waveform?: number[] | null;
  has_thumbnail: boolean;
}

export type MessageKind =
  | "text"
  | "image"
  | "voice"
  | "video"
  | "file"
  | "sticker"
  | "location"
  | "card"
  | "system";

export interface TextBody {
  text: string;
}
export interface FileBody {
  file: FileRef;
  caption?: string | null;
}
export interface StickerBody {
  code: string;
}
export interface LocationBody {
  lat: number;
  lng: number;
  name: string;
  address?: string;
}
export interface CardBody {
  type: string;
  ref: string;
  title: string;
  summary?: string | null;
}
export interface SystemBody {
  event: string;
  text: string;
  /** Of a recall: the sequence number of the message that was recalled. */
  seq?: number;
  [extra: string]: unknown;
}
export type MessageBody =
  | TextBody
  | FileBody
  | StickerBody
  | LocationBody
  | CardBody
  | SystemBody
  | Record<string, never>;

export interface Sender {
  user_id: string;
  name: string;
  role: Role;
}

export interface Message {
  room: string;
  /** Position in the room, from 1, without gaps. */
  seq: number;
  id: string;
  kind: MessageKind;
  sender: Sender | null;
  client_id: string | null;
  body: MessageBody;
  reply_to: number | null;
  at: string;
  recalled: boolean;
}

export type PresenceState = "online" | "offline" | "busy";

export interface RoomMember {
  user_id: string;
  name: string;
  role: Role;
  avatar: string | null;
  state: "joined" | "left";
  presence: PresenceState;
  read_seq: number;
  delivered_seq: number;
}

export type RoomState = "waiting" | "active" | "closed";

export interface RoomView {
  id: string;
  kind: string;
  state: RoomState;
  close_reason: string | null;
  /** Sequence number of the newest message. */
  seq: number;
  subject: { title: string; consultation_id: string | null };
  /** Whether calls in this room are recorded. */
  /** `ask`: the patient is asked when a call rings. */
  recording?: "required" | "refused" | "ask";
  /** Who leads the room: the treating doctor, who made the group, the agent. */
  lead_id?: string | null;
  members: RoomMember[];
  me: { user_id: string; read_seq: number; may_send: boolean };
}

export interface InboxItem {
  /** Cursor: grows with time. */
  id: number;
  type: string;
  title: string;
  text: string;
  ref: { type: string; id: string } | null;
  at: string;
  read: boolean;
  /** What the person can switch off, `payment`; absent from older servers. */
  category?: string;
  /** The person has switched the category off: nothing rings. */
  silent?: boolean;
}

export interface Receipt {
  room: string;
  user: string;
  read_seq: number;
  delivered_seq: number;
}

export type CallMedia = "video" | "voice";

export interface CallParticipant {
  user_id: string;
  name: string;
  role: Role;
  state: "ringing" | "joined" | "declined" | "left" | "removed";
  device: string | null;
  audio: boolean;
  video: boolean;
  /** Shares the screen; one at a time does. */
  screen: boolean;
  /** Of a lecture: may send; since when the hand is up. Always true and null in other calls. */
  on_stage: boolean;
  hand_at: string | null;
}

export interface CallView {
  id: string;
  room: string;
  media: CallMedia;
  state: "ringing" | "active" | "ended";
  started_by: string;
  started_at: string;
  answered_at: string | null;
  ended_at: string | null;
  end_reason: string | null;
  recording: boolean;
  /** It rings, and is answered only after the patient agreed to be recorded. */
  asks_recording: boolean;
  /** One speaks, the others watch. */
  lecture: boolean;
  /** How many only watch a lecture; null in other calls. */
  viewers: number | null;
  /** Who silences others, puts them out and ends it for everybody. */
  moderators: string[];
  participants: CallParticipant[];
}

export interface CallOffer {
  call: string;
  session: string;
  version: number;
  sdp: string;
  ice_servers?: IceServer[];
}

/** Connection quality of one participant: level 1 (bad) to 4 (good). */
export interface CallQuality {
  call: string;
  user: string;
  level: number;
  rtt_ms: number | null;
  loss: number | null;
}

/** Whose pictures pause on this device because its network bears no more; their sound goes on. */
export interface CallNetwork {
  call: string;
  device: string;
  paused: string[];
  /** The shared screen pauses too. */
  screen: boolean;
}

/** Who speaks in a call. */
export interface CallSpeaker {
  call: string;
  user: string;
}

/** `call:start` and `call:accept` bring it; a credential is used as it stands. */
export interface IceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}
