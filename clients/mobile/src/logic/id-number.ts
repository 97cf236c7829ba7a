/** Resident identity numbers (GB 11643-1999): 17 digits and a check character. */

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2] as const
const CHECKS = '10X98765432'

const PROVINCES = new Set([
  '11', '12', '13', '14', '15', '21', '22', '23', '31', '32', '33', '34', '35', '36', '37', '41',
  '42', '43', '44', '45', '46', '50', '51', '52', '53', '54', '61', '62', '63', '64', '65', '71',
  '81', '82', '83',
]) // prettier-ignore

export type IdNumberFault = 'empty' | 'length' | 'characters' | 'region' | 'birth' | 'check'

export interface IdNumberFacts {
  /** ISO date. */
  birthDate: string
  sex: 'male' | 'female'
}

export type IdNumberReading =
  | { ok: true; facts: IdNumberFacts }
  | { ok: false; fault: IdNumberFault }

export function normaliseIdNumber(text: string): string {
  return text.replace(/[\s-]/g, '').toUpperCase()
}

function realDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return (
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  )
}

/** Reads an identity number; `today` (ISO date) refuses births in the future. */
export function readIdNumber(text: string, today: string): IdNumberReading {
  const number = normaliseIdNumber(text)
  if (number === '') return { ok: false, fault: 'empty' }
  if (!/^[0-9X]*$/.test(number)) return { ok: false, fault: 'characters' }
  if (number.length !== 18) return { ok: false, fault: 'length' }
  if (!/^\d{17}[\dX]$/.test(number)) return { ok: false, fault: 'characters' }
  if (!PROVINCES.has(number.slice(0, 2))) return { ok: false, fault: 'region' }
  const year = Number(number.slice(6, 10))
  const month = Number(number.slice(10, 12))
  const day = Number(number.slice(12, 14))
  const birthDate = `${number.slice(6, 10)}-${number.slice(10, 12)}-${number.slice(12, 14)}`
  if (year < 1900 || !realDate(year, month, day) || birthDate > today) {
    return { ok: false, fault: 'birth' }
  }
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(number[i]), 0)
  if (CHECKS[sum % 11] !== number[17]) return { ok: false, fault: 'check' }
  return { ok: true, facts: { birthDate, sex: Number(number[16]) % 2 === 1 ? 'male' : 'female' } }
}

/** A mainland mobile number. */
export function isPhone(text: string): boolean {
  return /^1[3-9]\d{9}$/.test(text.trim())
}

/** Whole years between two ISO dates. */
export function yearsOld(birthDate: string, today: string): number {
  const years = Number(today.slice(0, 4)) - Number(birthDate.slice(0, 4))
  return today.slice(5) < birthDate.slice(5) ? years - 1 : years
}
