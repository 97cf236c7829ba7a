import { describe, expect, it } from 'vitest'
import { faultsOf, formOf, serviceOf } from '@/logic/nursing'
import { leads, worded } from '@/logic/profession'

describe('the settings of nursing consultation', () => {
  it('are off and empty until the nurse has set price and number', () => {
    const form = formOf(undefined)
    expect(form).toEqual({ price: '', perDay: '', enabled: false })
    expect(faultsOf(form)).toEqual({ price: true, perDay: true })
  })

  it('take a price in yuan and a whole number a day', () => {
    const form = { price: '19.90', perDay: '8', enabled: true }
    expect(faultsOf(form)).toEqual({ price: false, perDay: false })
    const sent = serviceOf(form, undefined)
    expect(sent).toMatchObject({ kind: 'nursing', mode: 'text', price_fen: 1990, per_day: 8 })
    expect(formOf(sent)).toEqual({ price: '19.9', perDay: '8', enabled: true })
  })

  it.each([
    ['19.999', '8'],
    ['-1', '8'],
    ['10001', '8'],
    ['十九', '8'],
    ['19', '0'],
    ['19', '2.5'],
    ['19', '1000'],
  ])('refuse %s and %s', (price, perDay) => {
    const faults = faultsOf({ price, perDay, enabled: true })
    expect(faults.price || faults.perDay).toBe(true)
  })
})

describe('who leads a consultation', () => {
  it('is called what he or she is', () => {
    expect(worded('nursing', '医生未接诊，换一位医生')).toBe('护士未接诊，换一位护士')
    expect(worded('medication', '评价医生')).toBe('评价药师')
    expect(worded('revisit', '评价医生')).toBe('评价医生')
  })

  it('has a reception of patients', () => {
    expect(['doctor', 'pharmacist', 'nurse'].every((role) => leads(role as never))).toBe(true)
    expect(leads('patient') || leads('administrator') || leads(null)).toBe(false)
  })
})
