import { http } from './client'
import type { FileRef } from './types'
import { randomUuid } from '@/platform/ids'

export interface Period {
  place: string
  role: string
  /** Month, as in 2012-07. */
  since: string
  until: string | null
}

export interface Practice {
  sex: 'male' | 'female'
  practice_start: string
  contact_phone: string | null
  email: string | null
  expertise: string
  introduction: string
  education: Period[]
  work: Period[]
}

export interface Certificate {
  id: string
  kind: string
  name: string
  number_masked: string
  issued_on: string
  valid_until: string | null
  file: FileRef | null
  state: 'submitted' | 'approved' | 'rejected' | 'withdrawn'
  reason: string | null
}

export interface OwnPractice {
  active: boolean
  content: Practice | null
  pending: Practice | null
  pending_since: string | null
  rejected_reason: string | null
  certificates: Certificate[]
}

export interface CertificateForm {
  kind: string
  name: string
  number: string
  issued_on: string
  valid_until: string | null
  file_id: string
}

export const practice = {
  own: () => http.call<OwnPractice>('GET', '/me/profile'),
  handIn: (body: Practice, key: string) =>
    http.call<OwnPractice>('POST', '/me/profile/submissions', { body, idempotencyKey: key }),
  addCertificate: (body: CertificateForm) =>
    http.call<Certificate>('POST', '/me/certificates', {
      body,
      idempotencyKey: randomUuid(),
    }),
  withdrawCertificate: (id: string) => http.call<void>('DELETE', `/me/certificates/${id}`),
}
