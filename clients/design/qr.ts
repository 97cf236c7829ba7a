/**
 * QR codes (ISO/IEC 18004): byte mode, error correction level M, versions 1 to 6, which is enough
 * for the number of a visit card or an address (up to 106 bytes). Returns rows of dark (true) modules.
 */

interface Shape {
  /** Data bytes of all blocks together. */
  data: number
  /** Error correction bytes of each block. */
  correction: number
  blocks: number
  alignment: number[]
}

const SHAPES: readonly Shape[] = [
  { data: 16, correction: 10, blocks: 1, alignment: [] },
  { data: 28, correction: 16, blocks: 1, alignment: [6, 18] },
  { data: 44, correction: 26, blocks: 1, alignment: [6, 22] },
  { data: 64, correction: 18, blocks: 2, alignment: [6, 26] },
  { data: 86, correction: 24, blocks: 2, alignment: [6, 30] },
  { data: 108, correction: 16, blocks: 4, alignment: [6, 34] },
]

const EXP = new Uint8Array(512)
const LOG = new Uint8Array(256)
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = x
  LOG[x] = i
  x = x & 0x80 ? (x << 1) ^ 0x11d : x << 1
}
for (let i = 255; i < 512; i++) EXP[i] = EXP[i - 255]!

function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!
}

/** Reed-Solomon remainder of `data` for `count` correction bytes. */
function correctionOf(data: number[], count: number): number[] {
  let generator = [1]
  for (let i = 0; i < count; i++) {
    const next = new Array<number>(generator.length + 1).fill(0)
    generator.forEach((factor, j) => {
      next[j] = next[j]! ^ factor
      next[j + 1] = next[j + 1]! ^ multiply(factor, EXP[i]!)
    })
    generator = next
  }
  const rest = [...data, ...new Array<number>(count).fill(0)]
  for (let i = 0; i < data.length; i++) {
    const lead = rest[i]!
    if (lead === 0) continue
    generator.forEach((factor, j) => (rest[i + j] = rest[i + j]! ^ multiply(factor, lead)))
  }
  return rest.slice(data.length)
}

function utf8(text: string): number[] {
  const escaped = encodeURIComponent(text).replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  )
  return Array.from(escaped, (letter) => letter.charCodeAt(0))
}

function codewords(bytes: number[], shape: Shape): number[] {
  const bits: number[] = []
  const put = (value: number, length: number): void => {
    for (let i = length - 1; i >= 0; i--) bits.push((value >> i) & 1)
  }
  put(0b0100, 4)
  put(bytes.length, 8)
  bytes.forEach((byte) => put(byte, 8))
  put(0, Math.min(4, shape.data * 8 - bits.length))
  while (bits.length % 8) bits.push(0)
  const data: number[] = []
  for (let i = 0; i < bits.length; i += 8) {
    data.push(bits.slice(i, i + 8).reduce((value, bit) => (value << 1) | bit, 0))
  }
  for (let pad = 0xec; data.length < shape.data; pad ^= 0xfd) data.push(pad)
  const size = Math.floor(shape.data / shape.blocks)
  const longer = shape.data % shape.blocks
  const blocks: number[][] = []
  for (let i = 0, at = 0; i < shape.blocks; i++) {
    const length = size + (i >= shape.blocks - longer ? 1 : 0)
    blocks.push(data.slice(at, at + length))
    at += length
  }
  const checks = blocks.map((block) => correctionOf(block, shape.correction))
  const out: number[] = []
  for (let i = 0; i <= size; i++) {
    for (const block of blocks) if (i < block.length) out.push(block[i]!)
  }
  for (let i = 0; i < shape.correction; i++) for (const check of checks) out.push(check[i]!)
  return out
}

type Grid = (boolean | null)[][]

const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
]

function patterns(size: number, shape: Shape): Grid {
  const grid: Grid = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null))
  const finder = (top: number, left: number): void => {
    for (let r = -1; r <= 7; r++) {
      for (let c = -1; c <= 7; c++) {
        const row = grid[top + r]
        if (!row || left + c < 0 || left + c >= size) continue
        const ring = Math.max(Math.abs(r - 3), Math.abs(c - 3))
        row[left + c] = ring !== 2 && ring !== 4
      }
    }
  }
  finder(0, 0)
  finder(0, size - 7)
  finder(size - 7, 0)
  for (const r of shape.alignment) {
    for (const c of shape.alignment) {
      if (grid[r]![c] !== null) continue
      for (let dr = -2; dr <= 2; dr++) {
        for (let dc = -2; dc <= 2; dc++) {
          grid[r + dr]![c + dc] = Math.max(Math.abs(dr), Math.abs(dc)) !== 1
        }
      }
    }
  }
  for (let i = 8; i < size - 8; i++) {
    grid[6]![i] ??= i % 2 === 0
    grid[i]![6] ??= i % 2 === 0
  }
  grid[size - 8]![8] = true
  return grid
}

/** Cells of the two copies of the format bits, most significant bit first. */
function formatCells(size: number): [number, number][][] {
  const first: [number, number][] = []
  for (let i = 0; i <= 5; i++) first.push([8, i])
  first.push([8, 7], [8, 8], [7, 8])
  for (let i = 5; i >= 0; i--) first.push([i, 8])
  const second: [number, number][] = []
  for (let i = 0; i < 7; i++) second.push([size - 1 - i, 8])
  for (let i = 7; i >= 0; i--) second.push([8, size - 1 - i])
  return [first, second]
}

function formatBits(mask: number): number {
  // Level M is 00.
  let rest = mask << 10
  for (let i = 14; i >= 10; i--) if ((rest >> i) & 1) rest ^= 0x537 << (i - 10)
  return ((mask << 10) | rest) ^ 0x5412
}

function penalty(grid: boolean[][]): number {
  const size = grid.length
  let total = 0
  const lines = [...grid, ...grid.map((_, c) => grid.map((row) => row[c]!))]
  for (const line of lines) {
    let run = 1
    for (let i = 1; i <= size; i++) {
      if (i < size && line[i] === line[i - 1]) run++
      else {
        if (run >= 5) total += run - 2
        run = 1
      }
    }
    const text = line.map((dark) => (dark ? '1' : '0')).join('')
    for (const pattern of ['10111010000', '00001011101']) {
      for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) total += 40
    }
  }
  for (let r = 0; r + 1 < size; r++) {
    for (let c = 0; c + 1 < size; c++) {
      const one = grid[r]![c]
      if (one === grid[r]![c + 1] && one === grid[r + 1]![c] && one === grid[r + 1]![c + 1]) {
        total += 3
      }
    }
  }
  const dark = grid.reduce((sum, row) => sum + row.filter(Boolean).length, 0)
  return total + Math.floor(Math.abs((dark * 100) / (size * size) - 50) / 5) * 10
}

/** @throws RangeError when the text has more than 106 bytes. */
export function qrModules(text: string, forcedMask: number | null = null): boolean[][] {
  const bytes = utf8(text)
  const version = SHAPES.findIndex((shape) => bytes.length + 2 <= shape.data)
  const shape = SHAPES[version]
  if (!shape) throw new RangeError('too long for a QR code of version 6')
  const size = 21 + 4 * version
  const fixed = patterns(size, shape)
  const formats = formatCells(size)
  for (const cells of formats) for (const [r, c] of cells) fixed[r]![c] ??= false
  const bits = codewords(bytes, shape).flatMap((word) =>
    Array.from({ length: 8 }, (_, i) => ((word >> (7 - i)) & 1) === 1),
  )
  const cells: [number, number][] = []
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5
    for (let i = 0; i < size; i++) {
      const r = up ? size - 1 - i : i
      for (const c of [right, right - 1]) if (fixed[r]![c] === null) cells.push([r, c])
    }
  }
  const draw = (mask: number): boolean[][] => {
    const grid = fixed.map((row) => row.map((cell) => cell === true))
    cells.forEach(([r, c], i) => {
      grid[r]![c] = (bits[i] ?? false) !== MASKS[mask]!(r, c)
    })
    const format = formatBits(mask)
    for (const copy of formats) {
      copy.forEach(([r, c], i) => (grid[r]![c] = ((format >> (14 - i)) & 1) === 1))
    }
    return grid
  }
  if (forcedMask !== null) return draw(forcedMask)
  const drawn = MASKS.map((_, mask) => draw(mask))
  return drawn.reduce((best, one) => (penalty(one) < penalty(best) ? one : best))
}

/** The code as a picture address, with the quiet border of four modules. */
export function qrUri(text: string): string {
  const grid = qrModules(text)
  const size = grid.length + 8
  const path = grid
    .flatMap((row, r) => row.map((dark, c) => (dark ? `M${c + 4} ${r + 4}h1v1h-1z` : '')))
    .join('')
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><rect width="${size}" height="${size}" fill="#fff"/><path d="${path}"/></svg>`
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}
