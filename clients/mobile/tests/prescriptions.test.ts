import { describe, expect, it } from 'vitest'
import type { PrescriptionLine, PrescriptionList, PrescriptionRow } from '@/api/prescriptions'
import { cardOf, prescriptionOf, shownOf, usageOf } from '@/logic/prescriptions'

const row: PrescriptionRow = {
  prescription_no: 'RX1',
  issued_on: '2026-03-02',
  kind: 'western',
  kind_text: '西药处方',
  department: '心血管内科',
  doctor: '王医生',
  diagnosis: '高血压2级',
  drugs: ['苯磺酸氨氯地平片'],
}
const line: PrescriptionLine = {
  name: '苯磺酸氨氯地平片',
  specification: '5mg×28片',
  dose: '5mg',
  route: '口服',
  frequency: '每日一次',
  days: 28,
  quantity: '1',
  unit: '盒',
}
const list = (items: PrescriptionRow[], known = true): PrescriptionList => ({
  known,
  since: '2025-11-22',
  until: '2026-11-22',
  items,
})

describe('past prescriptions', () => {
  it('are sent as a card that names one and tells nothing of what is in it', () => {
    const card = cardOf(row)
    expect(card).toEqual({ type: 'past_prescription', ref: 'RX1', title: '历史处方 2026-03-02' })
    for (const secret of [...row.drugs, row.diagnosis, row.department, row.doctor]) {
      expect(JSON.stringify(card)).not.toContain(secret)
    }
    expect(prescriptionOf({ ...card })).toBe('RX1')
    expect(prescriptionOf({ ...card, type: 'doctor' })).toBe('')
  })

  it('tell somebody without a file from somebody without a prescription', () => {
    expect(shownOf(list([], false))).toBe('unknown')
    expect(shownOf(list([]))).toBe('none')
    expect(shownOf(list([row]))).toBe('rows')
  })

  it('say how a drug is taken, and leave out what the hospital left out', () => {
    expect(usageOf(line)).toBe('每次5mg，口服，每日一次，28天')
    const herb = { ...line, dose: '', route: '后下', frequency: '', days: null }
    expect(usageOf(herb)).toBe('后下')
    expect(usageOf({ ...herb, route: '' })).toBe('')
    expect(usageOf({ ...herb, dose: '薄涂', route: '外用' })).toBe('薄涂，外用')
  })
})
