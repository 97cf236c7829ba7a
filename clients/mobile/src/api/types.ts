import type { Message, RecordingPage, RoomView } from '@realtime'
import type { SignatureMark } from './signing'

export type Role =
  | 'patient'
  | 'doctor'
  | 'nurse'
  | 'pharmacist'
  | 'administrator'
  | 'supervisor'
  | 'operator'
  | 'customer_service'

export interface User {
  id: string
  name: string
  phone_masked: string
  real_name_verified: boolean
  avatar: string | null
}

export interface RoleGrant {
  role: Role
  hospital_id: string
  hospital_name: string
  department_ids: string[]
}

export interface Tokens {
  access_token: string
  expires_in: number
  refresh_token: string
  session_id: string
  role: Role
  user: User
  hospital: { id: string; name: string }
  roles: RoleGrant[]
  /** What has to be settled before anything else. */
  owes: Owed[]
}

export type Owed = 'second_factor' | 'password'

export interface Me {
  user: User
  role: Role
  hospital: { id: string; name: string }
  roles: RoleGrant[]
}

export interface DeviceSession {
  id: string
  device_name: string
  /** The owner's own name for the device. */
  label: string
  platform: string
  /** Coarse: 本机, 内网 or the beginning of the address. */
  place: string
  created_at: string
  last_seen_at: string
  current: boolean
}

export interface Agreement {
  code: string
  title: string
  version: string
  text: string
  accepted_at: string | null
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface Hospital {
  id: string
  name: string
  city: string
  intro: string
}

export interface Home {
  hospital: Hospital
  services: { code: string; title: string; icon: string; enabled: boolean }[]
  banners: { title: string; text: string }[]
  notices: { id: string; title: string; text: string; published_at: string }[]
}

export interface Department {
  id: string
  name: string
  intro: string
  parent_id: string | null
  clinician_count: number
}

export type Mode = 'text' | 'voice' | 'video'
export type Kind = 'first' | 'revisit' | 'advice' | 'department' | 'medication' | 'nursing'
/** Who leads consultations. */
export type Profession = 'doctor' | 'pharmacist' | 'nurse'
/** What a question about medicines is about. */
export type Direction =
  | 'usage'
  | 'reaction'
  | 'interaction'
  | 'special'
  | 'choice'
  | 'storage'
  | 'other'

export interface DoctorService {
  kind: Kind
  mode: Mode
  price_fen: number
  minutes: number
  enabled: boolean
  /** Of what is counted by the day. */
  per_day: number | null
  left_today: number | null
}

export interface DoctorShort {
  id: string
  name: string
  profession: Profession
  title: string
  department: { id: string; name: string }
  avatar: string | null
}

export interface DoctorCard extends DoctorShort {
  expertise: string
  /** What a pharmacist advises on. */
  medication_fields: string[]
  rating_average: number | null
  rating_count: number
  consultation_count: number
  services: DoctorService[]
  online: boolean
  favourite: boolean | null
}

export interface DoctorProfile extends DoctorCard {
  introduction: string
  practice_years: number
  licence_number_masked: string
}

export interface DoctorRating {
  id: string
  stars: number
  tags: string[]
  comment: string
  patient_name_masked: string
  at: string
}

export type IdType =
  | 'identity_card'
  | 'permanent_residence'
  | 'hk_macao_permit'
  | 'passport'
  | 'none'

export type Relation = 'self' | 'child' | 'spouse' | 'parent' | 'other'

export interface Guardian {
  name: string
  id_number_masked: string
  phone_masked: string
  address: string
  verified: boolean
}

export interface Patient {
  id: string
  kind: 'adult' | 'child'
  name: string
  sex: 'male' | 'female'
  birth_date: string
  age_text: string
  id_type: IdType
  id_number_masked: string | null
  phone_masked: string | null
  address: string | null
  relation: Relation
  is_default: boolean
  verified: boolean
  card_number: string | null
  guardian: Guardian | null
}

export interface GuardianInput {
  name: string
  id_number: string
  phone: string
  address: string
}

/** What was agreed to before a person's data is sent: the text that was shown, each purpose. */
export interface PatientConsent {
  kind: string
  version: string
  digest: string
  purposes: Record<string, boolean>
  signature: string | null
}

export interface PatientInput {
  kind: 'adult' | 'child'
  name: string
  id_type: IdType
  id_number?: string
  sex?: 'male' | 'female'
  birth_date?: string
  phone?: string
  address?: string
  relation: Relation
  card_number?: string
  guardian?: GuardianInput
  consent?: PatientConsent
}

export type FileKind = 'image' | 'voice' | 'video' | 'file'

export interface FileRef {
  id: string
  name: string
  kind: FileKind
  content_type: string
  size: number
  width?: number | null
  height?: number | null
  duration_ms?: number | null
  waveform?: number[] | null
  has_thumbnail: boolean
}

export interface FileLink {
  url: string
  thumbnail_url: string | null
  expires_at: string
}

export type ConsultationState =
  | 'draft'
  | 'awaiting_payment'
  | 'booked'
  | 'waiting'
  | 'active'
  | 'ended'
  | 'cancelled'

export interface Revisit {
  status:
    | 'unchecked'
    | 'eligible'
    | 'proof_required'
    | 'proof_submitted'
    | 'proof_confirmed'
    | 'proof_rejected'
  evidence: { visit_date: string; department: string; diagnosis: string }[]
  proof: FileRef[]
}

export interface Rating {
  id?: string
  stars: number
  tags: string[]
  comment: string
  at?: string
  doctor?: DoctorShort
  consultation_id?: string
  patient_name_masked?: string
}

export interface Consultation {
  id: string
  number: string
  kind: Kind
  mode: Mode
  service_text: string
  /** The calls that its doctor may start. */
  calls: ('voice' | 'video')[]
  /** The reader's own tags on the patient. */
  tags: string[]
  minutes: number
  /** The appointed time, where one was booked. */
  shift_id: string | null
  starts_at: string | null
  ends_at: string | null
  purpose: 'revisit' | 'refill'
  direction: Direction | null
  direction_text: string | null
  state: ConsultationState
  state_text: string
  close_reason: string | null
  /** How it ended, as the house says it. */
  close_text: string | null
  patient: Patient
  /** Nobody yet while an order by department waits. */
  doctor: DoctorShort | null
  department: { id: string; name: string }
  room_id: string | null
  order_id: string | null
  price_fen: number
  description: string
  onset: string
  answers: Record<string, boolean>
  red_flag: boolean
  /** Whether the patient had not been served at the hospital before. */
  first: boolean
  attachments: FileRef[]
  revisit: Revisit
  consent: { version: string; accepted_at: string; recording_agreed: boolean } | null
  created_at: string
  submitted_at: string | null
  paid_at: string | null
  accept_by: string | null
  accepted_at: string | null
  ended_at: string | null
  closing_note: {
    diagnosis: string
    advice: string
    at: string
    final?: boolean
    version?: number
    signature?: SignatureMark | null
  } | null
  rating: Rating | null
  unread: number
  last_message: { text: string; at: string } | null
}

export interface IntakeQuestion {
  id: string
  text: string
  red_flag: boolean
}

export interface ConsultationNotice {
  version: string
  title: string
  text: string
  signature_required: boolean
  recording_version: string
  recording_title: string
  recording_text: string
}

export interface Order {
  id: string
  number: string
  subject: string
  amount_fen: number
  state: 'pending' | 'paid' | 'closed' | 'refunding' | 'refunded' | 'refund_failed'
  channel: string | null
  consultation_id: string | null
  self_order_id: string | null
  created_at: string
  expires_at: string | null
  paid_at: string | null
  refunds: { id: string; amount_fen: number; reason: string; state: string; at: string }[]
}

export interface InboxItem {
  id: number
  type: string
  title: string
  text: string
  ref: { type: string; id: string } | null
  at: string
  read: boolean
  category?: string
  silent?: boolean
}

export interface InboxCounts {
  unread: number
  categories: { category: string; label: string; count: number; unread: number }[]
}

export type AnnouncementKind = 'news' | 'internal' | 'public' | 'meeting' | 'course' | 'academic'

/** What the hospital tells this person. `fresh`: it deserves a mark. */
export interface AnnouncementItem {
  id: string
  kind: AnnouncementKind
  kind_label: string
  title: string
  summary: string
  cover: FileRef | null
  pinned: boolean
  published_at: string
  starts_at: string | null
  ends_at: string | null
  place: string
  read: boolean
  fresh: boolean
  confirm: boolean
  confirmed_at: string | null
}

/** A line of an announcement, to be drawn as text. */
export interface AnnouncementBlock {
  kind: 'heading' | 'paragraph' | 'item'
  spans: { text: string; href: string | null }[]
}

export interface Announcement extends AnnouncementItem {
  blocks: AnnouncementBlock[]
  files: FileRef[]
  changed_at: string | null
}

export interface NoticePreferences {
  categories: { category: string; label: string; on: boolean; statutory: boolean }[]
  quiet_mode: 'hospital' | 'own' | 'none'
  quiet_from: number | null
  quiet_until: number | null
  hospital_quiet_from: number
  hospital_quiet_until: number
  wechat_mini: boolean | null
  wechat_service: boolean | null
  subscriptions: { template: string; title: string }[]
  phone: string
}

export interface NoticeChoice {
  off: string[]
  quiet_mode: 'hospital' | 'own' | 'none'
  quiet_from?: number
  quiet_until?: number
}

export interface NoticeMessage {
  id: string
  title: string
  sender: string
  lines: { label: string; text: string }[]
  created_at: string
  acknowledge: boolean
  acknowledged_at: string | null
  acknowledged_by: string | null
}

export interface Hit {
  subject: { title: string; consultation_id: string | null }
  state: 'waiting' | 'active' | 'closed'
  message: Message
  fragments: { text: string; hit: boolean }[]
}

/** `looked` of `total` entries have been passed; go on with `next`. */
export interface SearchPage {
  items: Hit[]
  next: string | null
  looked: number
  total: number
}

export interface Transcript {
  id: string
  room: string
  number: string
  state: 'waiting' | 'running' | 'ready' | 'failed' | 'expired'
  done: number
  total: number
  created_at: string
  expires_at: string | null
  digest: string | null
}

export interface Phrase {
  id: string
  category: string
  text: string
}

/** A room of the caller in a list of his rooms. */
export interface MyRoom {
  room: RoomView
  last_message: Message | null
  unread: number
}

/** Somebody of the hospital in one role; `last_seen` is null while he is online. */
export interface Colleague {
  user_id: string
  name: string
  avatar: string | null
  role: Role
  title: string
  department_id: string | null
  department: string | null
  presence: 'online' | 'offline' | 'busy'
  last_seen: string | null
}

/** A recorded call of a room. */
export type Recording = RecordingPage['recording']

/** What was said, as far as it has been recognised. */
export interface SpeechText {
  state: 'none' | 'waiting' | 'ready' | 'failed'
  available: boolean
  progress: number
  segments: { from_ms: number; to_ms: number; user: string | null; text: string }[]
}
