import { describe, expect, it } from 'vitest'
import { duration, left, when, yuan } from '@/logic/format'

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
  const now = new Date(2026, 10, 21, 18, 0)
  it('of today is the clock, of yesterday says so', () => {
    expect(when(new Date(2026, 10, 21, 9, 5).toISOString(), now)).toBe('09:05')
    expect(when(new Date(2026, 10, 20, 23, 59).toISOString(), now)).toBe('昨天 23:59')
    expect(when(new Date(2026, 0, 2, 8, 0).toISOString(), now)).toBe('1月2日 08:00')
    expect(when(new Date(2025, 0, 2, 8, 0).toISOString(), now)).toBe('2025年1月2日')
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
