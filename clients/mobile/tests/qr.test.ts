import { describe, expect, it } from 'vitest'
import { qrModules } from '@/logic/qr'
import vectors from './qr-vectors.json'

// The vectors were made with the Python package qrcode 8.2 (byte mode, level M, mask as given).
describe('a QR code', () => {
  it.each(vectors)('of $text with mask $mask is module for module as expected', (vector) => {
    const rows = qrModules(vector.text, vector.mask).map((row) =>
      row.map((dark) => (dark ? '1' : '0')).join(''),
    )
    expect(rows).toEqual(vector.rows)
  })

  it('chooses a mask by itself', () => {
    expect(qrModules('800000000001')).toHaveLength(21)
  })

  it('refuses a text that does not fit', () => {
    expect(() => qrModules('x'.repeat(107))).toThrow(RangeError)
  })
})
