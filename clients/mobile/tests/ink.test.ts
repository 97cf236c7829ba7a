import { describe, expect, it } from 'vitest'
import { fit, inkBox, isName, segments, widthAt, type Stroke } from '@/logic/ink'

const line = (step: number, points = 6): Stroke =>
  Array.from({ length: points }, (_, at) => ({ x: 10 + at * 20, y: 20 + at * 6, t: at * step }))

describe('handwriting', () => {
  it('is thick where the hand is slow and thin where it is fast', () => {
    expect(widthAt(0)).toBeGreaterThan(widthAt(1))
    expect(widthAt(100)).toBe(widthAt(10))
    const slow = segments(line(100)).at(-1)!.width
    const fast = segments(line(5)).at(-1)!.width
    expect(slow).toBeGreaterThan(fast)
  })

  it('joins the points without a gap and ends where the hand left', () => {
    const parts = segments(line(16))
    parts.slice(1).forEach((part, at) => expect(part.from).toEqual(parts[at]!.to))
    expect(parts.at(-1)!.to).toMatchObject({ x: 110, y: 50 })
    expect(segments([])).toEqual([])
    expect(segments([{ x: 1, y: 1, t: 0 }])).toHaveLength(1)
  })

  it('is a name only when it is large enough', () => {
    expect(isName([])).toBe(false)
    expect(isName([[{ x: 5, y: 5, t: 0 }]])).toBe(false)
    expect(isName([line(16), line(16)])).toBe(true)
    expect(inkBox([line(16)], 0)).toEqual({ x: 10, y: 20, width: 100, height: 30 })
  })

  it('keeps its form when the screen is turned', () => {
    const [turned] = fit([line(16)], { width: 300, height: 200 }, { width: 600, height: 200 })
    const box = inkBox([turned!], 0)!
    expect(box.width / box.height).toBeCloseTo(100 / 30)
    expect(box.x).toBe(160)
  })
})
