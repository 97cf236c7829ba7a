import type { Consultation, ConsultationState, DoctorShort } from '@/api/types'

/** The colour of a state: teal for what goes on, amber for waiting, grey for the past. */
export function stateKind(state: ConsultationState): 'action' | 'waiting' | 'past' {
  if (state === 'active') return 'action'
  if (state === 'waiting' || state === 'booked' || state === 'awaiting_payment') return 'waiting'
  return 'past'
}

/** Whom the patient deals with: the doctor, or the department until one of its doctors accepts. */
export function counterpart(one: Consultation): Omit<DoctorShort, 'id'> {
  return (
    one.doctor ?? {
      name: one.department.name,
      profession: 'doctor',
      title: '',
      department: one.department,
      avatar: null,
    }
  )
}
