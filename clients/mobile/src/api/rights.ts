import { http } from './client'
import type { SignatureMark } from './signing'
import type { FileRef } from './types'

export type ConsentKind =
  | 'user_agreement'
  | 'privacy'
  | 'consultation_notice'
  | 'recording'
  | 'sensitive'
  | 'guardian'
  | 'home_nursing'
  | 'long_term_prescription'
  | 'self_order_notice'

export interface ConsentPurpose {
  code: string
  title: string
  text: string
  required: boolean
}

export interface ConsentText {
  id: string
  kind: ConsentKind
  version: string
  title: string
  summary: string
  text: string
  purposes: ConsentPurpose[]
  signature_required: boolean
  effective_at: string | null
  digest: string | null
}

export interface NeededConsent {
  kind: ConsentKind
  given: boolean
  outdated: boolean
  may_answer: boolean
  text: ConsentText
}

export interface ConsentAnswer {
  kind: ConsentKind
  version: string
  purposes: Record<string, boolean>
  patient_id: string | null
  signature: string | null
}

export interface ConsentEntry {
  id: string
  kind: ConsentKind
  kind_text: string
  title: string
  version: string
  act: 'given' | 'refused' | 'withdrawn'
  act_text: string
  at: string
  patient_id: string | null
  patient_name: string | null
  relation: string | null
  as_guardian: boolean
  ref_type: string | null
  ref_id: string | null
  method_text: string
  device: string
  address: string
  digest: string
  purposes: Record<string, boolean>
  signed: boolean
}

export interface ConsentMatter {
  latest: ConsentEntry
  stands: boolean
  outdated: boolean
  withdrawable: boolean
  consequences: string[]
  history: ConsentEntry[]
}

export interface ConsentDetail {
  consent: ConsentEntry
  text: ConsentText
  signature: string | null
  text_intact: boolean
  seal: SignatureMark | null
}

export type Right =
  | 'access'
  | 'copy'
  | 'correction'
  | 'deletion'
  | 'restriction'
  | 'account_closing'

export interface Holding {
  title: string
  count: number
  oldest: string | null
  newest: string | null
  note: string
  keep_until: string | null
  rule: string
}

export interface DataCopy {
  id: string
  state: 'queued' | 'running' | 'ready' | 'failed' | 'expired'
  progress: number
  stage: string
  json_size: number | null
  pdf_size: number | null
  ready_at: string | null
  expires_at: string | null
}

export interface RightsRequest {
  id: string
  number: string
  right: Right
  right_text: string
  state: 'submitted' | 'in_progress' | 'cooling' | 'done' | 'refused' | 'cancelled'
  state_text: string
  patient_id: string | null
  patient_name: string | null
  field: string
  wish: string
  words: string
  files: FileRef[]
  created_at: string
  due_on: string
  extended: boolean
  outcome_text: string | null
  reason: string
  result: { title: string; erased: number; kept: number; until: string | null; why: string }[]
  closed_at: string | null
  close_at: string | null
  copy: DataCopy | null
  steps: { at: string; what: string; what_text: string; words: string; by: string | null }[]
}

export interface Closing {
  obstacles: string[]
  cooling_days: number
  pending: RightsRequest | null
  holdings: Holding[]
}

export const consents = {
  mine: () => http.call<ConsentMatter[]>('GET', '/consents'),
  one: (id: string) => http.call<ConsentDetail>('GET', `/consents/${id}`),
  needed: (patient_id?: string) =>
    http.call<NeededConsent[]>('GET', '/consents/needed', { query: { patient_id } }),
  /** What must be agreed to before somebody is added: oneself, another, a child under fourteen. */
  neededFor: (adding: 'self' | 'other' | 'child') =>
    http.call<NeededConsent[]>('GET', '/consents/needed', { query: { adding } }),
  give: (body: ConsentAnswer, idempotencyKey: string) =>
    http.call<ConsentEntry>('POST', '/consents', { body, idempotencyKey }),
  withdraw: (entry: ConsentEntry, idempotencyKey: string) =>
    http.call<ConsentEntry>('POST', '/consents/withdrawals', {
      body: {
        kind: entry.kind,
        patient_id: entry.patient_id,
        ref_type: entry.ref_type,
        ref_id: entry.ref_id,
      },
      idempotencyKey,
    }),
  /** Takes the recording consent of a room's consultation back, during a call too. */
  refuseRecording: (room: string, idempotencyKey: string) =>
    http.call<ConsentEntry>('POST', `/rooms/${room}/recording-refusal`, { idempotencyKey }),
  /** What the patient says to the text about recordings while a call rings that asks for it. */
  answerRecording: (
    room: string,
    body: { version: string; agreed: boolean },
    idempotencyKey: string,
  ) => http.call<ConsentEntry>('POST', `/rooms/${room}/recording-answer`, { body, idempotencyKey }),
  /** A text that anybody may read, before login too. */
  text: (kind: string) => http.call<ConsentText>('GET', `/texts/${kind}`),
}

export const rights = {
  holdings: () => http.call<Holding[]>('GET', '/rights/holdings'),
  closing: () => http.call<Closing>('GET', '/rights/closing'),
  requests: () => http.call<RightsRequest[]>('GET', '/rights/requests'),
  request: (id: string) => http.call<RightsRequest>('GET', `/rights/requests/${id}`),
  ask: (
    body: {
      right: Right
      patient_id?: string | null
      field?: string
      wish?: string
      words?: string
      file_ids?: string[]
    },
    idempotencyKey: string,
  ) => http.call<RightsRequest>('POST', '/rights/requests', { body, idempotencyKey }),
  cancel: (id: string) => http.call<RightsRequest>('POST', `/rights/requests/${id}/cancel`),
  link: (copy: string, id_tail: string) =>
    http.call<{ json_url: string; pdf_url: string; expires_at: string }>(
      'POST',
      `/rights/copies/${copy}/link`,
      { body: { id_tail } },
    ),
}
