import { describe, expect, it } from 'vitest'
import type { Consultation } from '@/api/types'
import { mostUrgent } from '@/logic/next-step'

const NOW = Date.parse('2026-11-21T08:00:00Z')
const one = (id: string, state: string, part: Partial<Consultation> = {}): Consultation =>
  ({
    id,
    state,
    unread: 0,
    rating: null,
    close_reason: null,
    ended_at: null,
    created_at: '2026-11-20T08:00:00Z',
    ...part,
  }) as Consultation

describe('the next step', () => {
  it('is the conversation before the payment, the payment before the waiting', () => {
    const all = [one('d', 'draft'), one('w', 'waiting'), one('p', 'awaiting_payment')]
    expect(mostUrgent(all, NOW)?.id).toBe('p')
    expect(mostUrgent([...all, one('a', 'active')], NOW)?.id).toBe('a')
  })

  it('is the conversation with unread messages among several', () => {
    const all = [one('a', 'active'), one('b', 'active', { unread: 2 })]
    expect(mostUrgent(all, NOW)?.id).toBe('b')
  })

  it('is a rating only for a week after a completed consultation', () => {
    const ended = { close_reason: 'completed', ended_at: '2026-11-20T08:00:00Z' }
    expect(mostUrgent([one('e', 'ended', ended)], NOW)?.id).toBe('e')
    const old = { ...ended, ended_at: '2026-11-01T08:00:00Z' }
    expect(mostUrgent([one('e', 'ended', old)], NOW)).toBeNull()
    expect(mostUrgent([one('c', 'cancelled')], NOW)).toBeNull()
  })
})
