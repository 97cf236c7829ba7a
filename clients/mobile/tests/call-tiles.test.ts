import { describe, expect, it } from 'vitest'
import { arrange, held, linesOf, pinched, UNMOVED, type Wanted } from '@/logic/call-tiles'

const people = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ user_id: `p${at + 1}` }))
const wanted = (change: Partial<Wanted> = {}): Wanted => ({
  others: people(3),
  speaker: null,
  sharer: null,
  pinned: '',
  page: 0,
  perPage: 4,
  ...change,
})
const keys = (found: ReturnType<typeof arrange>) => [
  found.main?.key,
  ...found.strip.map((one) => one.key),
]

describe('a group call on the phone', () => {
  it('shows who speaks large, the others and oneself in the strip', () => {
    expect(keys(arrange(wanted({ speaker: 'p2' })))).toEqual(['p2', 'own', 'p1', 'p3'])
    expect(keys(arrange(wanted()))).toEqual(['p1', 'own', 'p2', 'p3'])
    expect(keys(arrange(wanted({ others: [] })))).toEqual(['own'])
  })

  it('shows a listener of a lecture the stage alone', () => {
    const listens = wanted({ own: false, others: people(2), speaker: 'p2' })
    expect(keys(arrange(listens))).toEqual(['p2', 'p1'])
    expect(keys(arrange({ ...listens, others: [] }))).toEqual([undefined])
  })

  it('shows a shared screen large unless somebody was tapped on', () => {
    const shared = wanted({ sharer: 'p3', speaker: 'p2' })
    expect(arrange(shared).main?.kind).toBe('screen')
    expect(keys(arrange({ ...shared, pinned: 'p1' }))).toEqual(['p1', 'own', 'screen', 'p2', 'p3'])
  })

  it('forgets a pinned person who left', () => {
    expect(arrange(wanted({ pinned: 'p9', speaker: 'p3' })).main?.key).toBe('p3')
  })

  it('puts raised hands first, in the order of asking', () => {
    expect(keys(arrange(wanted({ speaker: 'p1', hands: ['p3', 'p2'] })))).toEqual([
      'p1',
      'own',
      'p3',
      'p2',
    ])
  })

  it('turns pages when sixteen do not fit, and stays on one that is there', () => {
    const many = wanted({ others: people(15), page: 3 })
    expect(arrange(many)).toMatchObject({ page: 3, pages: 4 })
    expect(arrange(many).strip).toHaveLength(3)
    expect(arrange({ ...many, others: people(5) })).toMatchObject({ page: 1, pages: 2 })
  })

  it('asks for small pictures in small tiles and for none behind other pages', () => {
    const others = people(6)
    const shown = arrange(wanted({ others, speaker: 'p6', sharer: 'p2' }))
    expect(linesOf(others, shown, { main: 700, tile: 200 })).toEqual({
      people: { p1: 200, p2: 200, p3: 200, p4: 0, p5: 0, p6: 0 },
      screen: 700,
    })
    expect(linesOf(others, null, { main: 700, tile: 200 }).people.p1).toBe(0)
  })
})

describe('the pinched screen', () => {
  const box = { width: 400, height: 200 }

  it('grows around the fingers and never leaves its box', () => {
    expect(pinched(UNMOVED, 2, { x: 100, y: 0 }, box)).toEqual({ scale: 2, x: -100, y: 0 })
    expect(pinched(UNMOVED, 0.5, { x: 0, y: 0 }, box)).toEqual(UNMOVED)
    expect(pinched(UNMOVED, 99, { x: 0, y: 0 }, box).scale).toBe(5)
    expect(held({ scale: 2, x: 900, y: -900 }, box)).toEqual({ scale: 2, x: 200, y: -100 })
  })
})
