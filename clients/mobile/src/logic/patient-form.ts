import type { IdType, Patient, PatientInput, Relation } from '@/api/types'
import { isPhone, normaliseIdNumber, readIdNumber, yearsOld, type IdNumberFault } from './id-number'

export interface PatientForm {
  kind: 'adult' | 'child'
  relation: Relation | ''
  hasIdCard: 'yes' | 'no'
  name: string
  idType: IdType
  idNumber: string
  sex: 'male' | 'female' | ''
  birthDate: string
  phone: string
  address: string
  cardNumber: string
  guardianName: string
  guardianId: string
  guardianPhone: string
  guardianAddress: string
}

export function emptyForm(): PatientForm {
  return {
    kind: 'adult',
    relation: 'self',
    hasIdCard: 'yes',
    name: '',
    idType: 'identity_card',
    idNumber: '',
    sex: '',
    birthDate: '',
    phone: '',
    address: '',
    cardNumber: '',
    guardianName: '',
    guardianId: '',
    guardianPhone: '',
    guardianAddress: '',
  }
}

export function formOf(patient: Patient): PatientForm {
  return {
    ...emptyForm(),
    kind: patient.kind,
    relation: patient.relation,
    hasIdCard: patient.id_type === 'none' ? 'no' : 'yes',
    name: patient.name,
    idType: patient.id_type,
    sex: patient.sex,
    birthDate: patient.birth_date,
    address: patient.address ?? '',
    cardNumber: patient.card_number ?? '',
    guardianName: patient.guardian?.name ?? '',
    guardianAddress: patient.guardian?.address ?? '',
  }
}

export interface FaultTexts {
  name: string
  phone: string
  address: string
  sex: string
  birthDate: string
  other: string
  guardianAge: string
  tooOld: string
  idNumber: Readonly<Record<IdNumberFault, string>>
}

/** Whether the person has no number of their own. */
export function withoutNumber(form: PatientForm): boolean {
  return form.kind === 'child' && form.hasIdCard === 'no'
}

/** The type of certificate that the form means. */
export function idTypeOf(form: PatientForm): IdType {
  if (withoutNumber(form)) return 'none'
  return form.kind === 'child' ? 'identity_card' : form.idType
}

const CHILD_BELOW = 18
/** Below this age only the guardian may agree to anything about a child. */
const GUARDIAN_AGREES_BELOW = 14

/** Whose data the form brings, which decides the consent: the own, another's, a young child's. */
export function addingOf(form: PatientForm, today: string): 'self' | 'other' | 'child' {
  let birth = form.birthDate
  if (idTypeOf(form) === 'identity_card') {
    const reading = readIdNumber(form.idNumber, today)
    birth = reading.ok ? reading.facts.birthDate : ''
  }
  const known = /^\d{4}-\d{2}-\d{2}$/.test(birth) && birth <= today
  // Until the age is known, a child counts as young.
  const young = known ? yearsOld(birth, today) < GUARDIAN_AGREES_BELOW : form.kind === 'child'
  if (young) return 'child'
  return form.relation === 'self' ? 'self' : 'other'
}

/**
 * The faults of a form by field name. With `known`, sensitive fields that stay empty keep what the
 * server has: they are shown masked and never come back to the device. A guardian who is not verified
 * yet is entered anew.
 */
export function faultsOf(
  form: PatientForm,
  texts: FaultTexts,
  today: string,
  known = false,
  guardianVerified = known,
): Record<string, string> {
  const faults: Record<string, string> = {}
  if (form.name.trim().length < 2) faults.name = texts.name
  const type = idTypeOf(form)
  const keepNumber = known && form.idNumber.trim() === ''
  if (type === 'identity_card' && !keepNumber) {
    const reading = readIdNumber(form.idNumber, today)
    if (!reading.ok) faults.id_number = texts.idNumber[reading.fault]
    else if (form.kind === 'child' && yearsOld(reading.facts.birthDate, today) >= CHILD_BELOW) {
      faults.id_number = texts.tooOld
    }
  } else if (type !== 'none' && type !== 'identity_card' && !keepNumber) {
    if (!/^[A-Za-z0-9()-]{5,20}$/.test(form.idNumber.trim())) faults.id_number = texts.other
  }
  if (type !== 'identity_card') {
    if (form.sex === '') faults.sex = texts.sex
    if (!/^\d{4}-\d{2}-\d{2}$/.test(form.birthDate) || form.birthDate > today) {
      faults.birth_date = texts.birthDate
    } else if (form.kind === 'child' && yearsOld(form.birthDate, today) >= CHILD_BELOW) {
      faults.birth_date = texts.tooOld
    }
  }
  const keepPhone = known && form.phone.trim() === ''
  if (form.kind === 'adult' && !keepPhone && !isPhone(form.phone)) faults.phone = texts.phone
  if (form.kind === 'adult' && form.address.trim() === '') faults.address = texts.address
  if (form.kind === 'child') {
    Object.assign(faults, guardianFaults(form, texts, today, guardianVerified))
  }
  return faults
}

function guardianFaults(
  form: PatientForm,
  texts: FaultTexts,
  today: string,
  known: boolean,
): Record<string, string> {
  const faults: Record<string, string> = {}
  const untouched = known && form.guardianId === '' && form.guardianPhone === ''
  if (form.guardianName.trim().length < 2) faults.guardian_name = texts.name
  if (form.guardianAddress.trim() === '') faults.guardian_address = texts.address
  if (untouched) return faults
  const reading = readIdNumber(form.guardianId, today)
  if (!reading.ok) faults.guardian_id_number = texts.idNumber[reading.fault]
  else if (yearsOld(reading.facts.birthDate, today) < 18) {
    faults.guardian_id_number = texts.guardianAge
  }
  if (!isPhone(form.guardianPhone)) faults.guardian_phone = texts.phone
  return faults
}

/** The request of a new person. */
export function inputOf(form: PatientForm): PatientInput {
  const type = idTypeOf(form)
  const input: PatientInput = {
    kind: form.kind,
    name: form.name.trim(),
    id_type: type,
    relation: form.relation || 'other',
  }
  if (type !== 'none') {
    input.id_number =
      type === 'identity_card' ? normaliseIdNumber(form.idNumber) : form.idNumber.trim()
  }
  if (type !== 'identity_card') {
    if (form.sex) input.sex = form.sex
    input.birth_date = form.birthDate
  }
  if (form.phone.trim()) input.phone = form.phone.trim()
  if (form.address.trim()) input.address = form.address.trim()
  if (form.cardNumber.trim()) input.card_number = form.cardNumber.trim()
  if (form.kind === 'child') {
    input.guardian = {
      name: form.guardianName.trim(),
      id_number: normaliseIdNumber(form.guardianId),
      phone: form.guardianPhone.trim(),
      address: form.guardianAddress.trim(),
    }
  }
  return input
}

/** The request of a change: what the person left empty stays as it is. */
export function changeOf(form: PatientForm): Partial<PatientInput> {
  const input: Partial<PatientInput> = inputOf(form)
  delete input.kind
  if (!input.id_number) {
    delete input.id_number
    delete input.id_type
  }
  if (form.kind === 'child' && form.guardianId === '' && form.guardianPhone === '') {
    delete input.guardian
  }
  return input
}
