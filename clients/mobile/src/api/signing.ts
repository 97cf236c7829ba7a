import { http } from './client'
import type { Role } from './types'

/** Who signs; everybody else only looks at signatures. */
export const SIGNERS: readonly Role[] = ['doctor', 'pharmacist', 'nurse']

export type Standing =
  | 'no_image'
  | 'no_pin'
  | 'requested'
  | 'ready'
  | 'suspended'
  | 'revoked'
  | 'expired'

export interface SignatureMark {
  signature_id: string
  signer_name: string
  signed_at: string
  version: number
  image_url: string | null
  timestamped: boolean
  /** False when a later version of the document waits for its signature. */
  current: boolean
}

export interface OwnSignature {
  standing: Standing
  standing_text: string
  next_step: string
  image: { version: number; file_id: string; created_at: string } | null
  certificate: {
    state: string
    serial: string | null
    issuer: string | null
    not_after: string | null
  } | null
  pin_length: number
  pin_set: boolean
  real_name_needed: boolean
  pin_locked_until: string | null
  session_minutes: number | null
  waiting: number
}

export interface SigningTask {
  document_type: string
  document_id: string
  label: string
  subject: string
  version: number
  since: string
}

export interface Line {
  name: string
  label: string
  value: string
}

export interface ShownDocument {
  document_type: string
  document_id: string
  title: string
  fields: Line[]
  digest: string
  signable: boolean
  signature: SignatureMark | null
}

export interface Confirmation {
  id: string
  token: string
  expires_at: string
  single: boolean
}

export interface Verification {
  signature_id: string
  verdict: 'valid' | 'changed' | 'doubtful' | 'invalid'
  verdict_text: string
  title: string
  version: number
  current: boolean
  kind: 'person' | 'seal'
  signer_name: string
  signed_at: string
  digest: string
  algorithm: string
  image_url: string | null
  timestamp_at: string | null
  timestamp_authority: string | null
  chain: { subject: string; issuer: string; serial: string; not_after: string }[]
  findings: { name: string; label: string; answer: 'yes' | 'no' | 'unknown'; text: string }[]
  fields: Line[]
  changes: { name: string; label: string; signed: string | null; present: string | null }[]
  verify_url: string
  checked_at: string
}

export const signing = {
  me: () => http.call<OwnSignature>('GET', '/signing/me'),
  keepImage: (file_id: string) =>
    http.call<OwnSignature>('PUT', '/signing/me/image', { body: { file_id } }),
  setPin: (pin: string, repeated: string) =>
    http.call<OwnSignature>('PUT', '/signing/me/pin', { body: { pin, repeated } }),
  changePin: (old: string, pin: string, repeated: string) =>
    http.call<OwnSignature>('PATCH', '/signing/me/pin', { body: { old, pin, repeated } }),
  sendCode: () =>
    http.call<{ phone: string; resend_seconds: number }>('POST', '/signing/me/pin-codes'),
  resetPin: (code: string, pin: string, repeated: string) =>
    http.call<OwnSignature>('PUT', '/signing/me/pin-reset', { body: { code, pin, repeated } }),
  revoke: () => http.call<OwnSignature>('PUT', '/signing/me/revocation', { body: {} }),
  tasks: () => http.call<SigningTask[]>('GET', '/signing/tasks'),
  document: (kind: string, id: string) =>
    http.call<ShownDocument>('GET', `/signing/documents/${kind}/${id}`),
  /** With a shown document for that one, without for a signing session. */
  confirm: (pin: string, shown: ShownDocument | null) =>
    http.call<Confirmation>('POST', '/signing/confirmations', {
      body: {
        pin,
        ...(shown
          ? {
              document_type: shown.document_type,
              document_id: shown.document_id,
              digest: shown.digest,
            }
          : {}),
      },
    }),
  sign: (
    shown: ShownDocument,
    confirmation: Pick<Confirmation, 'id' | 'token'>,
    idempotencyKey: string,
  ) =>
    http.call<SignatureMark>('POST', '/signing/signatures', {
      body: {
        document_type: shown.document_type,
        document_id: shown.document_id,
        digest: shown.digest,
        confirmation_id: confirmation.id,
        confirmation_token: confirmation.token,
      },
      idempotencyKey,
    }),
  endSession: () => http.call<void>('DELETE', '/signing/session'),
  verify: (id: string) => http.call<Verification>('GET', `/signing/signatures/${id}`),
}
