import type { CardBody } from '@realtime'
import type { PrescriptionLine, PrescriptionList, PrescriptionRow } from '@/api/prescriptions'

export const PRESCRIPTION_CARD = 'past_prescription'

/** What the card says: which prescription, and nothing of what is in it. */
export function cardOf(row: Pick<PrescriptionRow, 'prescription_no' | 'issued_on'>): CardBody {
  return {
    type: PRESCRIPTION_CARD,
    ref: row.prescription_no,
    title: `历史处方 ${row.issued_on}`,
  }
}

/** The number of the prescription that a card names; empty for any other card. */
export function prescriptionOf(body: Record<string, unknown>): string {
  return body.type === PRESCRIPTION_CARD ? String(body.ref ?? '') : ''
}

/** What a list shows: its rows, or why there are none. */
export function shownOf(list: PrescriptionList): 'rows' | 'unknown' | 'none' {
  if (!list.known) return 'unknown'
  return list.items.length ? 'rows' : 'none'
}

/** How a drug is taken, as on the paper; what the hospital left out is left out. */
export function usageOf(line: PrescriptionLine): string {
  const days = line.days === null ? '' : `${line.days}天`
  // "每次 5mg", but 薄涂 or 每侧 2 揿 as it stands.
  const dose = /^\d/.test(line.dose) ? `每次${line.dose}` : line.dose
  return [dose, line.route, line.frequency, days].filter(Boolean).join('，')
}
