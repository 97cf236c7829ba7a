import { describe, expect, it } from 'vitest'
import { isPhone, readIdNumber, yearsOld } from '@/logic/id-number'

const TODAY = '2026-11-21'

/** The example of GB 11643-1999, appendix. */
const STANDARD = '11010519491231002X'

describe('an identity number', () => {
  it('of the standard is accepted, with birth date and sex', () => {
    expect(readIdNumber(STANDARD, TODAY)).toEqual({
      ok: true,
      facts: { birthDate: '1949-12-31', sex: 'female' },
    })
  })

  it('may be typed with spaces and a small x', () => {
    expect(readIdNumber('110105 19491231 002x', TODAY).ok).toBe(true)
  })

  it.each([
    ['', 'empty'],
    ['11010519491231', 'length'],
    ['1101051949123100２X', 'characters'],
    ['X10105194912310021', 'characters'],
    ['00010519491231002X', 'region'],
    ['11010519491331002X', 'birth'],
    ['110105202613310021', 'birth'],
    ['110105203001010021', 'birth'],
    ['110105194912310021', 'check'],
    ['110105194912310012', 'check'],
  ])('%s is refused: %s', (number, fault) => {
    expect(readIdNumber(number, TODAY)).toEqual({ ok: false, fault })
  })

  it('is refused when two neighbours are swapped', () => {
    const swapped = '11010519941231002X'
    expect(readIdNumber(swapped, TODAY)).toEqual({ ok: false, fault: 'check' })
  })
})

describe('an age', () => {
  it('changes on the birthday, not before', () => {
    expect(yearsOld('2020-11-21', TODAY)).toBe(6)
    expect(yearsOld('2020-11-22', TODAY)).toBe(5)
  })
})

describe('a mobile number', () => {
  it.each([
    ['13800000001', true],
    [' 13800000001 ', true],
    ['12800000001', false],
    ['1380000000', false],
    ['138000000012', false],
  ])('%s: %s', (phone, good) => {
    expect(isPhone(phone)).toBe(good)
  })
})
