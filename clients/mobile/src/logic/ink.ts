/** Handwriting as strokes: smooth curves whose width follows the speed of the hand. */

export interface InkPoint {
  x: number
  y: number
  /** Milliseconds on any clock. */
  t: number
}
export type Stroke = InkPoint[]

export interface Segment {
  from: { x: number; y: number }
  control: { x: number; y: number }
  to: { x: number; y: number }
  width: number
}

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

const THIN = 2.2
const THICK = 6
/** Pixels per millisecond at which the line is thinnest. */
const FAST = 2.4
const EASE = 0.35

function speed(a: InkPoint, b: InkPoint): number {
  return Math.hypot(b.x - a.x, b.y - a.y) / Math.max(1, b.t - a.t)
}

/** The pen's width at a speed: a slow hand presses. */
export function widthAt(pixelsPerMs: number): number {
  return THICK - (THICK - THIN) * Math.min(1, pixelsPerMs / FAST)
}

/** Quadratic curves through the middles of the points, so that no corner shows. */
export function segments(stroke: Stroke): Segment[] {
  const first = stroke[0]
  if (!first) return []
  if (stroke.length === 1) {
    return [{ from: first, control: first, to: { x: first.x + 0.1, y: first.y }, width: THICK }]
  }
  const found: Segment[] = []
  let width = widthAt(0.4)
  let from: { x: number; y: number } = first
  for (let at = 1; at < stroke.length; at++) {
    const last = stroke[at - 1]!
    const next = stroke[at]!
    width += (widthAt(speed(last, next)) - width) * EASE
    const to =
      at === stroke.length - 1
        ? { x: next.x, y: next.y }
        : { x: (last.x + next.x) / 2, y: (last.y + next.y) / 2 }
    found.push({ from, control: last, to, width })
    from = to
  }
  return found
}

/** The box around the ink with its width, or null without any. */
export function inkBox(strokes: readonly Stroke[], margin = THICK): Box | null {
  const points = strokes.flat()
  if (!points.length) return null
  const xs = points.map((point) => point.x)
  const ys = points.map((point) => point.y)
  const x = Math.min(...xs) - margin
  const y = Math.min(...ys) - margin
  return { x, y, width: Math.max(...xs) + margin - x, height: Math.max(...ys) + margin - y }
}

/** Whether there is enough to be a name: not a dot or a slip of the finger. */
export function isName(strokes: readonly Stroke[]): boolean {
  const box = inkBox(strokes, 0)
  return box !== null && box.width >= 40 && box.width * box.height >= 900
}

/** The strokes moved and scaled from one drawing area into another, keeping their form. */
export function fit(
  strokes: readonly Stroke[],
  from: { width: number; height: number },
  to: { width: number; height: number },
): Stroke[] {
  const scale = Math.min(to.width / from.width, to.height / from.height)
  const left = (to.width - from.width * scale) / 2
  const top = (to.height - from.height * scale) / 2
  return strokes.map((stroke) =>
    stroke.map(({ x, y, t }) => ({ x: x * scale + left, y: y * scale + top, t })),
  )
}

/** What a two-dimensional canvas of any platform offers for this. */
export interface Pen {
  lineWidth: number
  lineCap: unknown
  lineJoin: unknown
  strokeStyle: unknown
  beginPath(): void
  moveTo(x: number, y: number): void
  quadraticCurveTo(cx: number, cy: number, x: number, y: number): void
  stroke(): void
}

export function drawSegments(pen: Pen, parts: readonly Segment[]): void {
  pen.lineCap = 'round'
  pen.lineJoin = 'round'
  pen.strokeStyle = '#000000'
  for (const part of parts) {
    pen.lineWidth = part.width
    pen.beginPath()
    pen.moveTo(part.from.x, part.from.y)
    pen.quadraticCurveTo(part.control.x, part.control.y, part.to.x, part.to.y)
    pen.stroke()
  }
}
