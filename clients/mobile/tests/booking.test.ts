import { describe, expect, it } from 'vitest'
import type { OpenShift } from '@/api/schedule'
import { dayStrip, span } from '@/logic/booking'

const shift = (starts_at: Date, part: Partial<OpenShift> = {}): OpenShift =>
  ({
    id: starts_at.toISOString(),
    starts_at: starts_at.toISOString(),
    bookable: true,
    ...part,
  }) as OpenShift

const today = new Date(2026, 10, 22, 23, 50)

describe('the strip of days', () => {
  it('runs from today to the last day with a session, days without one too', () => {
    const days = dayStrip([shift(new Date(2026, 10, 25, 0, 30))], today)
    expect(days.map((one) => one.date)).toEqual(['11/22', '11/23', '11/24', '11/25'])
    expect(days.map((one) => one.shifts.length)).toEqual([0, 0, 0, 1])
    expect(days.slice(0, 3).map((one) => one.name)).toEqual(['今天', '明天', '周二'])
  })

  it('marks a day as open only while something of it can be booked', () => {
    const full = shift(new Date(2026, 10, 23, 9), { bookable: false })
    expect(dayStrip([full], today).map((one) => one.open)).toEqual([false, false])
    expect(dayStrip([full, shift(new Date(2026, 10, 23, 14))], today)[1]?.open).toBe(true)
  })

  it('is empty without sessions', () => {
    expect(dayStrip([], today)).toEqual([])
  })
})

it('an appointed time reads as day and hours', () => {
  const from = new Date(2026, 10, 22, 9, 0).toISOString()
  expect(span(from, new Date(2026, 10, 22, 12, 0).toISOString())).toBe('11月22日 09:00-12:00')
})
