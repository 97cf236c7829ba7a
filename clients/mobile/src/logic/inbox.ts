import { consultations } from '@/api'
import type { InboxItem } from '@/api/types'
import type { IconName } from '@/components/icons'
import { clinicianPage, patientPage } from './routes'

export interface Place {
  path: string
  query?: Record<string, string>
}

const ICONS: Record<string, IconName> = {
  payment: 'order',
  security: 'device',
  rating: 'star',
  consultation: 'chat',
  chat: 'chat',
  signing: 'edit',
  rights: 'lock',
  critical: 'alert',
  work: 'calendar',
}

export function iconOf(item: InboxItem): IconName {
  if (item.type === 'refund') return 'undo'
  return ICONS[item.category ?? ''] ?? 'bell'
}

/** The page of what an item is about; null where there is none for this person. */
export async function placeOf(item: InboxItem, clinician: boolean): Promise<Place | null> {
  const about = item.ref
  if (!about) return null
  switch (about.type) {
    case 'order':
      return { path: '/pages/orders/detail', query: { id: about.id } }
    case 'self_order':
      return { path: '/pages/clinic/order', query: { id: about.id } }
    case 'rights_request':
      return { path: '/pages/rights/request', query: { id: about.id } }
    case 'session':
      return { path: '/pages/me/sessions' }
    case 'signing':
      return clinician ? { path: '/clinician/signature/index' } : null
    case 'notice_message':
      return { path: '/pages/messages/detail', query: { id: about.id } }
    case 'announcement':
      return { path: '/pages/announcements/detail', query: { id: about.id } }
    case 'room':
      return { path: '/pages/room/index', query: { room: about.id } }
    case 'consultation':
      return consultationPlace(item, about.id, clinician)
    default:
      return null
  }
}

async function consultationPlace(item: InboxItem, id: string, clinician: boolean): Promise<Place> {
  const one = await consultations.get(id)
  const rates = ['rating_invited', 'rating_reminder'].includes(item.type)
  if (rates && !one.rating && !clinician) {
    return { path: '/pages/rate/index', query: { id: one.id } }
  }
  return clinician ? clinicianPage(one) : patientPage(one)
}

/** `22:30` of minutes of the day, and back. */
export function clockOf(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

export function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number)
  return hours * 60 + minutes
}
