import { consultations } from './index'
import { http } from './client'

export type PrescriptionKind = 'western' | 'patent' | 'herbal'

/** One past prescription of a list; the drugs by their names alone. */
export interface PrescriptionRow {
  prescription_no: string
  issued_on: string
  kind: PrescriptionKind
  kind_text: string
  department: string
  doctor: string
  diagnosis: string
  drugs: string[]
}

/** One drug as prescribed; of a herb `quantity` is the weight in one dose. */
export interface PrescriptionLine {
  name: string
  specification: string
  dose: string
  route: string
  frequency: string
  days: number | null
  quantity: string
  unit: string
}

export interface Prescription extends PrescriptionRow {
  lines: PrescriptionLine[]
  /** Of herbs: how many doses (剂), and how they are taken. */
  doses: number | null
  usage: string
}

export interface PrescriptionList {
  /** Whether the hospital has a file of this person at all. */
  known: boolean
  since: string
  until: string
  items: PrescriptionRow[]
}

/** Clinicians ask with the consultation as the reason, patients for the person that it is about. */
async function base(consultation: string, clinician: boolean): Promise<string> {
  if (clinician) return `/consultations/${consultation}/past-prescriptions`
  const { patient } = await consultations.get(consultation)
  return `/patients/${patient.id}/past-prescriptions`
}

export const prescriptions = {
  list: async (consultation: string, clinician: boolean, from: string | undefined) =>
    http.call<PrescriptionList>('GET', await base(consultation, clinician), {
      query: from ? { from } : {},
    }),
  show: async (consultation: string, clinician: boolean, number: string) =>
    http.call<Prescription>('GET', `${await base(consultation, clinician)}/${number}`),
}
