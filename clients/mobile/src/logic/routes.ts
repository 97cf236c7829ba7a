import type { Consultation } from '@/api/types'

/** The page where a consultation goes on, for the patient. */
export function patientPage(one: Consultation): { path: string; query: Record<string, string> } {
  switch (one.state) {
    case 'draft':
      return { path: '/pages/intake/index', query: { id: one.id } }
    case 'awaiting_payment':
      return one.order_id
        ? { path: '/pages/pay/index', query: { order: one.order_id } }
        : { path: '/pages/intake/index', query: { id: one.id } }
    case 'waiting':
      return { path: '/pages/waiting/index', query: { id: one.id } }
    case 'booked':
      return { path: '/pages/booking/index', query: { id: one.id } }
    case 'active':
      return { path: '/pages/room/index', query: { id: one.id } }
    default:
      return { path: '/pages/consultation/index', query: { id: one.id } }
  }
}

/** The page where a consultation goes on, for the clinician. */
export function clinicianPage(one: Consultation): {
  path: string
  query: Record<string, string>
} {
  return one.state === 'active'
    ? { path: '/pages/room/index', query: { id: one.id } }
    : { path: '/clinician/consultation/index', query: { id: one.id } }
}
