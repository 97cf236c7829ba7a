import { randomUuid } from '@/platform/ids'
import type { Device } from '@/platform/device'
import type { CallView, Message, RecordingPage, RoomView, TrialOffer, TrialPort } from '@realtime'
import { http } from './client'
import type * as T from './types'

const anonymous = true

export const auth = {
  smsCode: (phone: string) =>
    http.call<{ retry_after: number }>('POST', '/auth/sms-codes', { body: { phone }, anonymous }),
  loginSms: (phone: string, code: string, device: Device) =>
    http.call<T.Tokens>('POST', '/auth/login/sms', { body: { phone, code, device }, anonymous }),
  loginPassword: (login: string, password: string, device: Device) =>
    http.call<T.Tokens>('POST', '/auth/login/password', {
      body: { login, password, device },
      anonymous,
    }),
  switchRole: (role: T.Role, hospital_id: string) =>
    http.call<T.Tokens>('POST', '/auth/role', { body: { role, hospital_id } }),
  /** A code with which the mini-program's web view logs the same person in, once. */
  webView: () => http.call<{ code: string; expires_in: number }>('POST', '/auth/web-view'),
  loginWebView: (code: string, device: Device) =>
    http.call<T.Tokens>('POST', '/auth/login/web-view', { body: { code, device }, anonymous }),
  logout: () => http.call<void>('POST', '/auth/logout'),
  sessions: () => http.call<T.DeviceSession[]>('GET', '/auth/sessions'),
  renameSession: (id: string, label: string) =>
    http.call<T.DeviceSession>('PATCH', `/auth/sessions/${id}`, { body: { label } }),
  revokeOthers: () => http.call<void>('POST', '/auth/sessions/revoke-others'),
  revokeSession: (id: string) => http.call<void>('DELETE', `/auth/sessions/${id}`),
}

export const me = {
  get: () => http.call<T.Me>('GET', '/me'),
  update: (body: { name?: string; avatar_file_id?: string }) =>
    http.call<T.Me>('PATCH', '/me', { body }),
  /** The pictures of the card (portrait side first) are kept as evidence; both or none. */
  realName: (name: string, id_number: string, card: string[] = []) =>
    http.call<T.User>('POST', '/me/real-name', {
      body: {
        name,
        id_number,
        ...(card.length === 2 ? { front_file_id: card[0], back_file_id: card[1] } : {}),
      },
    }),
  certificationMethods: () => http.call<{ alipay: boolean }>('GET', '/me/certifications/methods'),
  certifyAtAlipay: (name: string, id_number: string, idempotencyKey: string) =>
    http.call<{ id: string; url: string }>('POST', '/me/certifications/alipay', {
      body: { name, id_number },
      idempotencyKey,
    }),
  finishCertification: (id: string) =>
    http.call<{ outcome: 'match' | 'mismatch' | '' }>('POST', `/me/certifications/${id}/finish`),
  password: (body: { old?: string; new: string; end_others?: boolean }) =>
    http.call<void>('PUT', '/me/password', { body }),
  agreements: () => http.call<T.Agreement[]>('GET', '/me/agreements'),
  acceptAgreement: (code: string, version: string) =>
    http.call<void>('POST', '/me/agreements', { body: { code, version } }),
}

export const catalogue = {
  home: () => http.call<T.Home>('GET', '/home'),
  departments: () => http.call<T.Department[]>('GET', '/departments'),
  doctors: (query: {
    department_id?: string
    title?: string
    mode?: string
    q?: string
    sort?: string
    cursor?: string | null
    limit?: number
  }) => http.call<T.Page<T.DoctorCard>>('GET', '/doctors', { query }),
  pharmacists: (query: {
    field?: string
    department_id?: string
    title?: string
    mode?: string
    q?: string
    asked?: string
    day?: string
    sort?: string
    cursor?: string | null
    limit?: number
  }) => http.call<T.Page<T.DoctorCard>>('GET', '/pharmacists', { query }),
  nurses: (query: {
    department_id?: string
    title?: string
    q?: string
    asked?: string
    sort?: string
    cursor?: string | null
    limit?: number
  }) => http.call<T.Page<T.DoctorCard>>('GET', '/nurses', { query }),
  medicationFields: () => http.call<{ code: string; title: string }[]>('GET', '/medication-fields'),
  doctor: (id: string) => http.call<T.DoctorProfile>('GET', `/doctors/${id}`),
  ratings: (id: string, cursor?: string | null) =>
    http.call<T.Page<T.DoctorRating>>('GET', `/doctors/${id}/ratings`, { query: { cursor } }),
  setFavourite: (id: string, on: boolean) =>
    http.call<void>(on ? 'PUT' : 'DELETE', `/doctors/${id}/favourite`),
  favourites: () => http.call<T.Page<T.DoctorCard> | T.DoctorCard[]>('GET', '/favourites/doctors'),
}

export const patients = {
  list: () => http.call<T.Patient[]>('GET', '/patients'),
  get: (id: string) => http.call<T.Patient>('GET', `/patients/${id}`),
  add: (body: T.PatientInput, idempotencyKey: string) =>
    http.call<T.Patient>('POST', '/patients', { body, idempotencyKey }),
  update: (id: string, body: Partial<T.PatientInput>) =>
    http.call<T.Patient>('PATCH', `/patients/${id}`, { body }),
  remove: (id: string) => http.call<void>('DELETE', `/patients/${id}`),
  makeDefault: (id: string) => http.call<void>('PUT', `/patients/${id}/default`),
}

export interface ConsultationQuery {
  state?: string
  q?: string
  patient_id?: string
  doctor_id?: string
  kind?: string
  from?: string
  to?: string
  cursor?: string | null
  limit?: number
  [key: string]: string | number | null | undefined
}

export const consultations = {
  list: (query: ConsultationQuery) =>
    http.call<T.Page<T.Consultation>>('GET', '/consultations', { query }),
  get: (id: string) => http.call<T.Consultation>('GET', `/consultations/${id}`),
  counts: () => http.call<Record<string, number>>('GET', '/consultations/counts'),
  create: (
    body: {
      patient_id: string
      doctor_id: string | null
      department_id: string | null
      kind: string
      mode: string
      purpose: string
      shift_id: string | null
    },
    idempotencyKey: string,
  ) => http.call<T.Consultation>('POST', '/consultations', { body, idempotencyKey }),
  update: (
    id: string,
    body: {
      description?: string
      onset?: string
      answers?: Record<string, boolean>
      direction?: T.Direction
      attachment_ids?: string[]
    },
  ) => http.call<T.Consultation>('PATCH', `/consultations/${id}`, { body }),
  remove: (id: string) => http.call<void>('DELETE', `/consultations/${id}`),
  questions: () => http.call<T.IntakeQuestion[]>('GET', '/intake/questions'),
  revisitCheck: (id: string) => http.call<T.Revisit>('POST', `/consultations/${id}/revisit-check`),
  proof: (id: string, attachment_ids: string[]) =>
    http.call<T.Consultation>('PUT', `/consultations/${id}/proof`, { body: { attachment_ids } }),
  notice: () => http.call<T.ConsultationNotice>('GET', '/consultations/notice'),
  consent: (
    id: string,
    body: {
      version: string
      recording_agreed: boolean
      recording_version: string
      signature: string | null
    },
  ) => http.call<void>('POST', `/consultations/${id}/consent`, { body }),
  submit: (id: string) => http.call<T.Consultation>('POST', `/consultations/${id}/submit`),
  cancel: (id: string) => http.call<T.Consultation>('POST', `/consultations/${id}/cancel`),
  end: (id: string) => http.call<T.Consultation>('POST', `/consultations/${id}/end`),
  accept: (id: string) => http.call<T.Consultation>('POST', `/consultations/${id}/accept`),
  decline: (id: string, reason: string) =>
    http.call<T.Consultation>('POST', `/consultations/${id}/decline`, { body: { reason } }),
  proofDecision: (id: string, accepted: boolean, reason?: string) =>
    http.call<T.Consultation>('POST', `/consultations/${id}/proof-decision`, {
      body: { accepted, reason },
    }),
  closingNote: (id: string, diagnosis: string, advice: string) =>
    http.call<T.Consultation>('PUT', `/consultations/${id}/closing-note`, {
      body: { diagnosis, advice },
    }),
  refund: (id: string, reason: string) =>
    http.call<T.Consultation>('POST', `/consultations/${id}/refund`, { body: { reason } }),
  tag: (id: string, tags: string[]) =>
    http.call<string[]>('PUT', `/consultations/${id}/tags`, { body: { tags } }),
  usedTags: () => http.call<string[]>('GET', '/patient-tags'),
  history: (id: string) =>
    http.call<T.Page<T.Consultation> | T.Consultation[]>('GET', `/consultations/${id}/history`),
}

export const ratings = {
  rate: (
    id: string,
    body: { stars: number; tags: string[]; comment: string },
    idempotencyKey: string,
  ) => http.call<T.Rating>('POST', `/consultations/${id}/rating`, { body, idempotencyKey }),
  mine: (cursor?: string | null) =>
    http.call<T.Page<T.Rating>>('GET', '/ratings/mine', { query: { cursor } }),
  received: (cursor?: string | null) =>
    http.call<T.Page<T.Rating>>('GET', '/ratings/received', { query: { cursor } }),
  tags: () => http.call<string[]>('GET', '/rating-tags'),
}

export const phrases = {
  list: () => http.call<T.Phrase[]>('GET', '/phrases'),
  add: (category: string, text: string) =>
    http.call<T.Phrase>('POST', '/phrases', { body: { category, text } }),
  update: (id: string, category: string, text: string) =>
    http.call<T.Phrase>('PUT', `/phrases/${id}`, { body: { category, text } }),
  remove: (id: string) => http.call<void>('DELETE', `/phrases/${id}`),
  order: (ids: string[]) => http.call<T.Phrase[]>('PUT', '/phrases/order', { body: { ids } }),
}

export const orders = {
  list: (query: { state?: string; cursor?: string | null }) =>
    http.call<T.Page<T.Order>>('GET', '/orders', { query }),
  get: (id: string) => http.call<T.Order>('GET', `/orders/${id}`),
  pay: (id: string, return_url: string, idempotencyKey: string) =>
    http.call<{ pay_url: string }>('POST', `/orders/${id}/pay`, {
      body: { channel: 'wechat_h5', return_url },
      idempotencyKey,
    }),
  sync: (id: string) => http.call<T.Order>('POST', `/orders/${id}/sync`),
}

/** The trial of the network before a call. */
export const callTrial: TrialPort = {
  begin: (media) => http.call<TrialOffer>('POST', '/calls/check', { body: { media } }),
  answer: (body) => http.call<void>('POST', '/calls/check/answer', { body }),
}

export const rooms = {
  /** The call that goes on in a room, or null. */
  call: (id: string) => http.call<CallView | null>('GET', `/rooms/${id}/call`),
  get: (id: string) => http.call<RoomView>('GET', `/rooms/${id}`),
  /** `kind`: only rooms of these kinds, `colleague,group`. */
  mine: (query: { kind: string; cursor: string | null; limit: number }) =>
    http.call<T.Page<T.MyRoom>>('GET', '/rooms/mine', { query }),
  talkTo: ({ user_id, role }: T.Colleague) =>
    http.call<RoomView>('POST', '/rooms/colleague', { body: { user_id, role } }),
  openGroup: (title: string, people: readonly T.Colleague[], idempotencyKey: string) =>
    http.call<RoomView>('POST', '/rooms/group', {
      body: { title, people: people.map(({ user_id, role }) => ({ user_id, role })) },
      idempotencyKey,
    }),
  /** The caller's open talk with customer service, or a new one. */
  askService: () => http.call<RoomView>('POST', '/rooms/service'),
  end: (id: string) => http.call<void>('POST', `/rooms/${id}/end`, { body: {} }),
  colleagues: (query: { q: string; role?: string; department_id?: string }) =>
    http.call<T.Colleague[]>('GET', '/colleagues', { query }),
  invite: (id: string, { user_id, role }: T.Colleague) =>
    http.call<unknown>('POST', `/rooms/${id}/members`, { body: { people: [{ user_id, role }] } }),
  remove: (id: string, user: string) =>
    http.call<unknown>('POST', `/rooms/${id}/members/${user}/removal`, { body: {} }),
  leave: (id: string) => http.call<void>('POST', `/rooms/${id}/leave`),
  handOver: (id: string, { user_id, role }: T.Colleague) =>
    http.call<void>('POST', `/rooms/${id}/hand-over`, { body: { to: { user_id, role } } }),
  search: (query: { q: string; room?: string; kind?: string; cursor?: string | null }) =>
    http.call<T.SearchPage>('GET', '/rooms/search', { query }),
  transcripts: (id: string) => http.call<T.Transcript[]>('GET', `/rooms/${id}/transcripts`),
  makeTranscript: (id: string) =>
    http.call<T.Transcript>('POST', `/rooms/${id}/transcripts`, { idempotencyKey: randomUuid() }),
  transcript: (id: string) => http.call<T.Transcript>('GET', `/transcripts/${id}`),
  transcriptLinks: (id: string) =>
    http.call<{ json_url: string; pdf_url: string }>('POST', `/transcripts/${id}/links`),
}

export const recordings = {
  ofRoom: (room: string) => http.call<T.Recording[]>('GET', `/rooms/${room}/recordings`),
  show: (id: string) => http.call<RecordingPage>('GET', `/recordings/${id}`),
  text: (id: string) => http.call<T.SpeechText>('GET', `/recordings/${id}/text`),
  messages: (id: string, after: number) =>
    http.call<{ messages: Message[]; has_more: boolean }>('GET', `/recordings/${id}/messages`, {
      query: { after },
    }),
  link: (id: string, file: string) =>
    http.call<{ url: string; expires_at: string }>('POST', `/recordings/${id}/files/${file}/link`, {
      idempotencyKey: randomUuid(),
    }),
}

export const speech = {
  voice: (room: string, seq: number) =>
    http.call<T.SpeechText>('GET', `/rooms/${room}/messages/${seq}/text`),
  askVoice: (room: string, seq: number) =>
    http.call<T.SpeechText>('POST', `/rooms/${room}/messages/${seq}/text`, {
      idempotencyKey: randomUuid(),
    }),
}

export const files = {
  links: (ids: string[]) =>
    http.call<Record<string, T.FileLink>>('POST', '/files/links', { body: { ids } }),
}

export const inbox = {
  list: (after: number, limit = 100) =>
    http.call<{ items: T.InboxItem[]; unread: number; cursor: number }>('GET', '/inbox', {
      query: { after, limit },
    }),
  read: (up_to: number) => http.call<void>('PUT', '/inbox/read', { body: { up_to } }),
  counts: () => http.call<T.InboxCounts>('GET', '/inbox/counts'),
  items: (filter: { category?: string; q?: string; unread?: boolean; cursor?: string | null }) =>
    http.call<T.Page<T.InboxItem>>('GET', '/inbox/items', { query: { ...filter, limit: 20 } }),
  readOne: (id: number) => http.call<void>('PUT', `/inbox/items/${id}/read`),
  readAll: (category: string | null) =>
    http.call<void>('PUT', '/inbox/all-read', { body: { category } }),
}

export const notices = {
  preferences: () => http.call<T.NoticePreferences>('GET', '/me/notifications'),
  choose: (choice: T.NoticeChoice) =>
    http.call<T.NoticePreferences>('PUT', '/me/notifications', { body: choice }),
  message: (id: string) => http.call<T.NoticeMessage>('GET', `/me/notifications/messages/${id}`),
  acknowledge: (id: string) =>
    http.call<T.NoticeMessage>('POST', `/me/notifications/messages/${id}/acknowledge`),
}

export const announcements = {
  list: (filter: {
    kind?: string
    q?: string
    unread?: boolean
    cursor?: string | null
    limit?: number
  }) => http.call<T.Page<T.AnnouncementItem>>('GET', '/me/announcements', { query: filter }),
  count: () => http.call<{ unread: number }>('GET', '/me/announcements/count'),
  read: (id: string) => http.call<T.Announcement>('POST', `/me/announcements/${id}/read`),
  confirm: (id: string) => http.call<T.Announcement>('POST', `/me/announcements/${id}/confirm`),
}

/** One key per intention of the person: kept while a POST is retried. */
export const newIntention = randomUuid

export type * from './types'
