import { describe, expect, it } from 'vitest'
import type { LabResult, Mark } from '@/api/reports'
import { isOff, offFirst, sinceMonths } from '@/logic/reports'

const result = (name: string, mark: Mark | null): LabResult => ({
  code: name,
  name,
  value: '1',
  unit: '',
  reference: '',
  mark,
})

describe('reports', () => {
  it('counts months back and stays within the month', () => {
    expect(sinceMonths('3', new Date('2026-05-31T00:10+08:00'))).toBe('2026-02-28')
    expect(sinceMonths('3', new Date('2026-01-31T12:00+08:00'))).toBe('2025-10-31')
    expect(sinceMonths('12', new Date('2026-11-22T00:10+08:00'))).toBe('2025-11-22')
    expect(sinceMonths('all', new Date('2026-11-22T00:10+08:00'))).toBeUndefined()
  })

  it('puts critical results first, then abnormal ones, and keeps the order of the rest', () => {
    const printed = [
      result('a', null),
      result('b', 'high'),
      result('c', 'normal'),
      result('d', 'critical_low'),
      result('e', 'low'),
    ]
    expect(offFirst(printed).map((one) => one.name)).toEqual(['d', 'b', 'e', 'a', 'c'])
    expect(printed[0]?.name).toBe('a')
  })

  it('marks nothing that nothing can be said about', () => {
    expect([isOff(null), isOff('normal'), isOff('abnormal')]).toEqual([false, false, true])
  })
})
