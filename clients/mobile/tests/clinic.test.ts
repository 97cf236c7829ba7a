import { describe, expect, it } from 'vitest'
import type { ClinicItem, ItemTime } from '@/api/clinic'
import { groups, missing, timeDays, totalOf, withItem, type Line } from '@/logic/clinic'

const item = (id: string, part: Partial<ClinicItem> = {}): ClinicItem =>
  ({
    id,
    kind: 'examination',
    desk: 'clinic',
    name: `项目${id}`,
    price_fen: 1000,
    special: false,
    needs_time: false,
    ...part,
  }) as ClinicItem
const drug = item('d', { kind: 'drug', desk: 'pharmacy', price_fen: 250 })

describe('the basket', () => {
  it('takes several packs of a drug, one of everything else, and lets go at none', () => {
    let basket: Line[] = withItem([], item('a'), 3)
    basket = withItem(basket, drug, 3)
    expect(basket.map((line) => line.quantity)).toEqual([1, 3])
    expect(totalOf(basket)).toBe(1750)
    expect(withItem(basket, drug, 99)[1]?.quantity).toBe(20)
    expect(withItem(basket, item('a'), 0).map((line) => line.item.id)).toEqual(['d'])
  })

  it('keeps the time of a line whose item was read again, at the new price', () => {
    const timed: Line[] = [{ item: item('a'), quantity: 1, starts_at: '2026-11-23T01:00:00Z' }]
    const [line] = withItem(timed, item('a', { price_fen: 1200 }), 1)
    expect([line?.item.price_fen, line?.starts_at]).toEqual([1200, '2026-11-23T01:00:00Z'])
  })

  it('falls apart into what a doctor and what a pharmacist reviews', () => {
    const basket = withItem(withItem(withItem([], drug, 1), item('a'), 1), item('b'), 1)
    expect(groups(basket).map((part) => [part.desk, part.lines.length])).toEqual([
      ['clinic', 2],
      ['pharmacy', 1],
    ])
  })
})

describe('what is missing', () => {
  const timed: Line = { item: item('a', { needs_time: true }), quantity: 1, starts_at: null }
  const special: Line = { item: item('b', { special: true }), quantity: 1, starts_at: null }

  it('asks for the person, the time and the purpose, each only where it is needed', () => {
    expect(missing([timed], '', '', true)).toBe('请选择就诊人')
    expect(missing([timed], 'p', '', true)).toBe('请为“项目a”选择时间')
    expect(missing([timed], 'p', '', false)).toBe('')
    expect(missing([special], 'p', '  ', true)).toBe('所选项目需要填写就诊目的')
    expect(missing([special], 'p', '复查', true)).toBe('')
  })
})

describe('the days of an item', () => {
  it('come in order with their times, and say whether anything is left', () => {
    const at = (day: number, hour: number, left: number): ItemTime => ({
      starts_at: new Date(Date.UTC(2026, 10, day, hour - 8)).toISOString(),
      left,
    })
    const days = timeDays(
      [at(22, 15, 0), at(23, 9, 1), at(23, 10, 0)],
      new Date('2026-11-22T12:00+08:00'),
    )
    expect(days.map((one) => [one.name, one.date, one.times.length, one.open])).toEqual([
      ['今天', '11/22', 1, false],
      ['明天', '11/23', 2, true],
    ])
  })
})
