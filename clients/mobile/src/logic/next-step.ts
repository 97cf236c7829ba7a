import type { Consultation } from '@/api/types'

/** How soon the person should look: talking first, then money that runs out, then waiting. */
const RANK: Readonly<Record<string, number>> = {
  active: 0,
  awaiting_payment: 1,
  waiting: 2,
  booked: 3,
  draft: 4,
  ended: 5,
}

const RATE_WITHIN_MS = 7 * 86_400_000

/** The consultation that needs the person most, or null. An ended one counts while it can be rated. */
export function mostUrgent(all: readonly Consultation[], now = Date.now()): Consultation | null {
  const open = all.filter((one) => {
    if (!(one.state in RANK)) return false
    if (one.state !== 'ended') return true
    const ended = one.ended_at ? Date.parse(one.ended_at) : 0
    return one.rating === null && one.close_reason === 'completed' && now - ended < RATE_WITHIN_MS
  })
  open.sort((a, b) => {
    const rank = (RANK[a.state] ?? 9) - (RANK[b.state] ?? 9)
    if (rank !== 0) return rank
    if (a.state === 'active' && a.unread !== b.unread) return b.unread - a.unread
    return Date.parse(b.created_at) - Date.parse(a.created_at)
  })
  return open[0] ?? null
}
