import type { ConsultationState } from '@/api/types'

/** The colour of a state: teal for what goes on, amber for waiting, grey for the past. */
export function stateKind(state: ConsultationState): 'action' | 'waiting' | 'past' {
  if (state === 'active') return 'action'
  if (state === 'waiting' || state === 'awaiting_payment') return 'waiting'
  return 'past'
}
