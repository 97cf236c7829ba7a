import { describe, expect, it } from 'vitest'
import { dateTime, duration, left, when, yuan } from '@/logic/format'
import { later, weekdayOf } from '@/logic/wall-time'

describe('money', () => {
  it.each([
    [5000, '50'],
    [5050, '50.50'],
    [5005, '50.05'],
    [0, '0'],
    [-1999, '-19.99'],
  ])('%i fen is %s yuan', (fen, text) => {
    expect(yuan(fen)).toBe(text)
  })
})

describe('time', () => {
  const now = new Date('2026-11-21T18:00+08:00')
  it('of today is the clock, of yesterday says so', () => {
    expect(when('2026-11-21T09:05+08:00', now)).toBe('09:05')
    expect(when('2026-11-20T23:59+08:00', now)).toBe('昨天 23:59')
    expect(when('2026-01-02T08:00+08:00', now)).toBe('1月2日 08:00')
    expect(when('2025-01-02T08:00+08:00', now)).toBe('2025年1月2日')
  })

  it('is that of the hospital, wherever the device is', () => {
    expect(new Date(0).getTimezoneOffset(), 'these tests run elsewhere').toBe(300)
    expect(when('2026-11-20T16:30:00Z', now)).toBe('00:30')
    expect(when('2026-11-20T15:30:00Z', now)).toBe('昨天 23:30')
    expect(dateTime('2025-12-31T17:05:00.123456Z')).toBe('2026-01-01 01:05')
  })

  it('goes from day to day across months, years and leap days', () => {
    expect(later('2026-12-31', 1)).toBe('2027-01-01')
    expect(later('2028-03-01', -1)).toBe('2028-02-29')
    expect(weekdayOf('2026-11-22')).toBe(0)
  })

  it('that cannot be read is empty', () => {
    expect(when('x', now)).toBe('')
    expect(when(null, now)).toBe('')
  })

  it('left is never rounded up', () => {
    expect(left(59_999)).toBe('59 秒')
    expect(left(-5)).toBe('0 秒')
    expect(left(2 * 3_600_000 - 1)).toBe('1 小时 59 分')
  })

  it('of a call counts minutes and hours', () => {
    expect(duration(65_000)).toBe('1:05')
    expect(duration(3_723_000)).toBe('1:02:03')
  })
})
