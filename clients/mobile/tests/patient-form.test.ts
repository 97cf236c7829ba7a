import { describe, expect, it } from 'vitest'
import {
  addingOf,
  changeOf,
  emptyForm,
  faultsOf,
  inputOf,
  type PatientForm,
} from '@/logic/patient-form'
import { zh } from '@/strings'

const texts = { ...zh.patients.faults, tooOld: zh.patients.tooOld, idNumber: zh.patients.faults }
const TODAY = '2026-11-21'
const form = (part: Partial<PatientForm>): PatientForm => ({ ...emptyForm(), ...part })

const adult = form({
  name: '林小满',
  idNumber: '11010519491231002X',
  phone: '13800000001',
  address: '示范市望湖路1号',
})
const child = form({
  kind: 'child',
  relation: 'child',
  hasIdCard: 'no',
  name: '林乐乐',
  sex: 'male',
  birthDate: '2021-05-06',
  guardianName: '林小满',
  guardianId: '11010519491231002X',
  guardianPhone: '13800000001',
  guardianAddress: '示范市望湖路1号',
})

describe('the form of a person', () => {
  it('of an adult is complete with name, number, phone and address', () => {
    expect(faultsOf(adult, texts, TODAY)).toEqual({})
    expect(Object.keys(faultsOf(emptyForm(), texts, TODAY)).sort()).toEqual([
      'address',
      'id_number',
      'name',
      'phone',
    ])
  })

  it('of a child without a number asks for sex, birth date and the guardian', () => {
    expect(faultsOf(child, texts, TODAY)).toEqual({})
    const empty = form({ kind: 'child', hasIdCard: 'no', name: '林乐乐' })
    expect(Object.keys(faultsOf(empty, texts, TODAY)).sort()).toEqual([
      'birth_date',
      'guardian_address',
      'guardian_id_number',
      'guardian_name',
      'guardian_phone',
      'sex',
    ])
  })

  it('takes no guardian who is a minor, and no child who is grown up', () => {
    const young = { ...child, birthDate: '1999-01-01' }
    expect(faultsOf(young, texts, TODAY)).toHaveProperty('birth_date', zh.patients.tooOld)
  })

  it('sends what its kind has and nothing else', () => {
    expect(inputOf(child)).toEqual({
      kind: 'child',
      name: '林乐乐',
      id_type: 'none',
      relation: 'child',
      sex: 'male',
      birth_date: '2021-05-06',
      guardian: {
        name: '林小满',
        id_number: '11010519491231002X',
        phone: '13800000001',
        address: '示范市望湖路1号',
      },
    })
    expect(inputOf(adult)).not.toHaveProperty('guardian')
    expect(inputOf(adult)).not.toHaveProperty('sex')
  })

  it('keeps masked numbers when a change leaves them empty', () => {
    const change = { ...adult, idNumber: '', phone: '', address: '示范市新街2号' }
    expect(faultsOf(change, texts, TODAY, true)).toEqual({})
    expect(changeOf(change)).toEqual({
      name: '林小满',
      relation: 'self',
      address: '示范市新街2号',
    })
  })

  it('says whose consent is needed, from the age and not from the choice alone', () => {
    expect(addingOf(adult, TODAY)).toBe('self')
    expect(addingOf({ ...adult, relation: 'spouse' }, TODAY)).toBe('other')
    expect(addingOf(child, TODAY)).toBe('child')
    expect(addingOf({ ...child, birthDate: '' }, TODAY)).toBe('child')
    expect(addingOf({ ...child, birthDate: '2012-11-21' }, TODAY)).toBe('other')
    expect(addingOf({ ...child, birthDate: '2012-11-22' }, TODAY)).toBe('child')
    // A young child entered as an adult is a child all the same.
    const passport = { ...adult, idType: 'passport' as const, birthDate: '2020-01-01' }
    expect(addingOf(passport, TODAY)).toBe('child')
    // A number typed for somebody without one does not count.
    expect(addingOf({ ...child, idNumber: '11010519491231002X' }, TODAY)).toBe('child')
    expect(addingOf({ ...child, hasIdCard: 'yes', idNumber: '11010519491231002X' }, TODAY)).toBe(
      'other',
    )
  })

  it('of a known child asks for a guardian who is not verified yet once more', () => {
    const kept = { ...child, guardianId: '', guardianPhone: '' }
    expect(faultsOf(kept, texts, TODAY, true)).toEqual({})
    expect(Object.keys(faultsOf(kept, texts, TODAY, true, false)).sort()).toEqual([
      'guardian_id_number',
      'guardian_phone',
    ])
  })
})
