import { describe, expect, it } from 'vitest'
import type { OpenShift } from '@/api/schedule'
import { dayStrip, span } from '@/logic/booking'

const shift = (starts_at: string, part: Partial<OpenShift> = {}): OpenShift =>
  ({ id: starts_at, starts_at, bookable: true, ...part }) as OpenShift

const today = new Date('2026-11-22T23:50+08:00')

describe('the strip of days', () => {
  it('runs from today to the last day with a session, days without one too', () => {
    const days = dayStrip([shift('2026-11-25T00:30+08:00')], today)
    expect(days.map((one) => one.date)).toEqual(['11/22', '11/23', '11/24', '11/25'])
    expect(days.map((one) => one.shifts.length)).toEqual([0, 0, 0, 1])
    expect(days.slice(0, 3).map((one) => one.name)).toEqual(['今天', '明天', '周二'])
  })

  it('marks a day as open only while something of it can be booked', () => {
    const full = shift('2026-11-23T09:00+08:00', { bookable: false })
    expect(dayStrip([full], today).map((one) => one.open)).toEqual([false, false])
    expect(dayStrip([full, shift('2026-11-23T14:00+08:00')], today)[1]?.open).toBe(true)
  })

  it('begins anew at midnight in the hospital', () => {
    const [first] = dayStrip([shift('2026-11-23T09:00+08:00')], new Date('2026-11-22T16:10:00Z'))
    expect([first?.key, first?.name, first?.shifts.length]).toEqual(['2026-11-23', '今天', 1])
  })

  it('is empty without sessions', () => {
    expect(dayStrip([], today)).toEqual([])
  })
})

it('an appointed time reads as day and hours', () => {
  expect(span('2026-11-22T01:00:00Z', '2026-11-22T04:00:00Z')).toBe('11月22日 09:00-12:00')
})
