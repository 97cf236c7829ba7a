import type { SignatureMark } from "@/signing/api";
import type { FileRef, Message, Role, RoomView } from "@zhenjian/realtime";

export type { FileRef, Message, Role, RoomView };

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface User {
  id: string;
  name: string;
  phone_masked: string | null;
  real_name_verified: boolean;
  avatar: string | null;
}

export interface RoleGrant {
  role: Role;
  hospital_id: string;
  hospital_name: string;
  department_ids: string[];
}

export interface Tokens {
  access_token: string;
  /** Seconds. */
  expires_in: number;
  refresh_token: string;
  session_id: string;
  role: Role;
  user: User;
  hospital: { id: string; name: string };
  roles: RoleGrant[];
  /** What has to be settled before anything else. */
  owes: Owed[];
  /** After so long without anybody doing anything the session ends. */
  idle_seconds: number;
}

export type Owed = "second_factor" | "password";

export interface DeviceSession {
  id: string;
  device_name: string;
  /** The owner's own name for the device. */
  label: string;
  platform: string;
  /** Coarse: 本机, 内网 or the beginning of the address. */
  place: string;
  login_method: string;
  second_factor: boolean;
  created_at: string;
  last_seen_at: string;
  current: boolean;
}

export interface Agreement {
  code: string;
  title: string;
  version: string;
  text: string;
  accepted_at: string | null;
}

export interface Patient {
  id: string;
  kind: "adult" | "child";
  name: string;
  sex: "male" | "female";
  birth_date: string;
  age_text: string;
  id_type: string;
  id_number_masked: string | null;
  phone_masked: string | null;
  address: string | null;
  relation: string;
  verified: boolean;
  card_number: string | null;
  guardian: {
    name: string;
    id_number_masked: string;
    phone_masked: string | null;
    address: string | null;
    verified: boolean;
  } | null;
}

export interface DoctorRef {
  id: string;
  name: string;
  profession: Profession;
  title: string;
  department: { id: string; name: string };
  avatar: string | null;
}

export type ConsultationState =
  "draft" | "awaiting_payment" | "booked" | "waiting" | "active" | "ended" | "cancelled";

export type ConsultationKind =
  "first" | "revisit" | "advice" | "department" | "medication" | "nursing";
/** Who leads consultations. */
export type Profession = "doctor" | "pharmacist" | "nurse";

export type RevisitStatus =
  | "unchecked"
  | "eligible"
  | "proof_required"
  | "proof_submitted"
  | "proof_confirmed"
  | "proof_rejected";

export interface Consultation {
  id: string;
  number: string;
  kind: ConsultationKind;
  /** What a question about medicines is about. */
  direction_text: string | null;
  mode: "text" | "voice" | "video";
  service_text: string;
  /** The calls that its doctor may start. */
  calls: ("voice" | "video")[];
  /** The reader's own tags on the patient. */
  tags: string[];
  minutes: number;
  /** The appointed time, where one was booked. */
  shift_id: string | null;
  starts_at: string | null;
  ends_at: string | null;
  purpose: "revisit" | "refill";
  state: ConsultationState;
  state_text: string;
  close_reason: string | null;
  close_text?: string | null;
  patient: Patient;
  /** Nobody yet while an order by department waits. */
  doctor: DoctorRef | null;
  department: { id: string; name: string };
  room_id: string | null;
  order_id: string | null;
  price_fen: number;
  description: string;
  onset: string;
  answers: Record<string, boolean>;
  red_flag: boolean;
  /** Whether the patient had not been served at the hospital before. */
  first: boolean;
  attachments: FileRef[];
  revisit: {
    status: RevisitStatus;
    evidence: { visit_date: string; department: string; diagnosis: string }[];
    proof: FileRef[];
    reason?: string | null;
  };
  consent: { version: string; accepted_at: string; recording_agreed: boolean } | null;
  created_at: string;
  submitted_at: string | null;
  paid_at: string | null;
  accept_by: string | null;
  accepted_at: string | null;
  ended_at: string | null;
  closing_note: {
    diagnosis: string;
    advice: string;
    at: string;
    final?: boolean;
    version?: number;
    signature?: SignatureMark | null;
  } | null;
  rating: Rating | null;
  unread: number;
  last_message: { text: string; at: string } | null;
  /** The reader's open break-glass access to this patient. */
  emergency?: { id: string; ends_at: string } | null;
  /** What the policies took out or masked. */
  withheld?: string[];
}

export interface Rating {
  id: string;
  consultation_id?: string;
  stars: number;
  tags: string[];
  comment: string;
  at: string;
  patient_name_masked?: string;
}

export type ConsultationCounts = Partial<Record<ConsultationState, number>>;

export interface Phrase {
  id: string;
  category: string;
  text: string;
}

export interface FileLink {
  url: string;
  thumbnail_url: string | null;
  expires_at: string;
}

export interface Recording {
  id: string;
  call_id: string | null;
  origin: "call" | "body_recorder" | "lecture";
  title: string | null;
  state: "recording" | "processing" | "ready" | "failed" | "removed";
  started_at: string;
  ended_at: string | null;
  duration_ms: number | null;
  removed_at: string | null;
  files: RecordingFile[];
}

export interface RecordingFile {
  id: string;
  kind: "composed" | "side" | "screen" | "uploaded";
  user_id: string | null;
  name: string;
  content_type: string;
  size: number;
  duration_ms: number | null;
  sha256: string;
}

export type SettingScope = "group" | "hospital" | "department" | "person";
export type SettingValue = string | number | boolean;

export interface Setting {
  key: string;
  title: string;
  description: string;
  type: "integer" | "boolean" | "text" | "choice" | "money";
  choices: { value: string; label: string }[] | null;
  default: SettingValue;
  value: SettingValue;
  scope: SettingScope | null;
  scopes?: SettingScope[];
  unit: string | null;
  minimum?: number | null;
  maximum?: number | null;
}

export interface SettingChange {
  value: SettingValue | null;
  old_value: SettingValue | null;
  scope: SettingScope;
  scope_id: string | null;
  changed_by: { id: string; name: string } | null;
  at: string;
  reason: string;
}

export interface ParkedEvent {
  id: string;
  event: string;
  handler: string;
  attempts: number;
  error: string;
  parked_at: string;
}

export interface StaffMember {
  user_id: string;
  name: string;
  phone_masked: string | null;
  roles: Role[];
  department: { id: string; name: string } | null;
  departments: { id: string; name: string }[];
  title: string;
  enabled: boolean;
}

/** An outside system as the answering process sees it. */
export interface OutsideSystem {
  system: string;
  state: "closed" | "half_open" | "open";
  failures: number;
  retry_in: number;
}

export interface SystemStatus {
  version: string;
  demo: boolean;
  database: { ok: boolean; version: string | null; bytes: number | null; error: string | null };
  storage: { ok: boolean; kind: string; error: string | null };
  media_workers: { url: string; alive: boolean; calls: number; peers: number }[];
  /** Null when the database does not answer. */
  outbox: { pending: number | null; parked: number | null };
  outside: OutsideSystem[];
  /** Null where uploads are not scanned. */
  scanner: { ok: boolean; version: string | null } | null;
}

export interface Department {
  id: string;
  name: string;
  clinician_count: number;
}
