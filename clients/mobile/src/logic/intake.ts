import type { Consultation, Direction, FileRef, Kind, Mode, Patient } from '@/api/types'

/** What the patient has filled in so far; kept on the device at every key, sent soon after. */
export interface IntakeDraft {
  /** Empty for an order by department. */
  doctorId: string
  departmentId: string
  kind: Kind
  mode: Mode
  /** The session of the doctor, where a time was chosen. */
  shiftId: string
  patientId: string
  purpose: 'revisit' | 'refill' | ''
  consultationId: string
  /** What a question about medicines is about. */
  direction: Direction | ''
  description: string
  onset: string
  answers: Record<string, boolean>
  attachments: FileRef[]
  /** What the server has confirmed last, to know what must still be sent. */
  sent: {
    description: string
    onset: string
    answers: string
    attachments: string
    direction: string
  }
}

export const STEPS = ['person', 'purpose', 'check', 'describe', 'notice', 'confirm'] as const
export type Step = (typeof STEPS)[number]

/** The steps of a kind: what treats nobody asks for no purpose and no evidence. */
export function stepsOf(kind: Kind): readonly Step[] {
  return kind === 'revisit' ? STEPS : STEPS.filter((one) => one !== 'purpose' && one !== 'check')
}

/** What somebody wants to order. */
export interface Wish {
  doctorId: string
  departmentId: string
  kind: Kind
  mode: Mode
  shiftId: string
}

export const wishFor = (doctorId: string, mode: Mode, more: Partial<Wish> = {}): Wish => ({
  doctorId,
  departmentId: '',
  kind: 'revisit',
  mode,
  shiftId: '',
  ...more,
})

/** A child's revisit goes on only with a guardian whose real name was verified. */
export function needsGuardian(patient: Pick<Patient, 'kind' | 'guardian'>): boolean {
  return patient.kind === 'child' && patient.guardian?.verified !== true
}

export function newDraft(wish: Wish): IntakeDraft {
  return {
    ...wish,
    patientId: '',
    purpose: '',
    consultationId: '',
    direction: '',
    description: '',
    onset: '',
    answers: {},
    attachments: [],
    sent: { description: '', onset: '', answers: '{}', attachments: '', direction: '' },
  }
}

const idsOf = (files: readonly FileRef[]): string => files.map((file) => file.id).join(',')
const textOf = (answers: Record<string, boolean>): string =>
  JSON.stringify(Object.entries(answers).sort(([a], [b]) => (a < b ? -1 : 1)))

function sentOf(draft: IntakeDraft): IntakeDraft['sent'] {
  return {
    description: draft.description,
    onset: draft.onset,
    answers: textOf(draft.answers),
    attachments: idsOf(draft.attachments),
    direction: draft.direction,
  }
}

/** The fields that the server does not have yet, or null. */
export function unsent(draft: IntakeDraft): {
  description?: string
  onset?: string
  answers?: Record<string, boolean>
  attachment_ids?: string[]
  direction?: Direction
} | null {
  const now = sentOf(draft)
  const change: ReturnType<typeof unsent> & object = {}
  if (now.description !== draft.sent.description) change.description = draft.description
  if (now.onset !== draft.sent.onset) change.onset = draft.onset
  if (now.answers !== draft.sent.answers) change.answers = { ...draft.answers }
  if (now.attachments !== draft.sent.attachments) {
    change.attachment_ids = draft.attachments.map((file) => file.id)
  }
  if (draft.direction && now.direction !== draft.sent.direction) change.direction = draft.direction
  return Object.keys(change).length ? change : null
}

/** Marks what `taken` held as sent: what the person typed meanwhile stays unsent. */
export function markSent(draft: IntakeDraft, taken: IntakeDraft): IntakeDraft {
  return { ...draft, sent: sentOf(taken) }
}

export const wishOf = (server: Consultation): Wish => ({
  doctorId: server.doctor?.id ?? '',
  departmentId: server.doctor ? '' : server.department.id,
  kind: server.kind,
  mode: server.mode,
  shiftId: server.shift_id ?? '',
})

/**
 * The draft to go on with after a reload: the server's fields, except those that were typed on this
 * device and had not reached it.
 */
export function resume(stored: IntakeDraft | null, server: Consultation): IntakeDraft {
  const fresh: IntakeDraft = {
    ...newDraft(wishOf(server)),
    patientId: server.patient.id,
    purpose: server.purpose,
    consultationId: server.id,
    direction: server.direction ?? '',
    description: server.description ?? '',
    onset: server.onset ?? '',
    answers: { ...(server.answers ?? {}) },
    attachments: [...(server.attachments ?? [])],
  }
  fresh.sent = sentOf(fresh)
  if (!stored || stored.consultationId !== server.id) return fresh
  const pending = unsent(stored)
  if (!pending) return fresh
  return {
    ...fresh,
    ...(pending.description === undefined ? {} : { description: stored.description }),
    ...(pending.onset === undefined ? {} : { onset: stored.onset }),
    ...(pending.answers === undefined ? {} : { answers: stored.answers }),
    ...(pending.direction === undefined ? {} : { direction: stored.direction }),
    ...(pending.attachment_ids === undefined ? {} : { attachments: stored.attachments }),
  }
}

/** The first step that is not done, for a draft opened again without an address. */
export function openStep(server: Consultation): Step {
  const { status } = server.revisit
  const checked =
    status === 'eligible' || status === 'proof_submitted' || status === 'proof_confirmed'
  if (server.kind === 'revisit' && !checked) return 'check'
  if (!server.description) return 'describe'
  if (server.kind === 'medication' && !server.direction) return 'describe'
  if (!server.consent) return 'notice'
  return 'confirm'
}
