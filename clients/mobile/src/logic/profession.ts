import type { Kind, Profession, Role } from '@/api/types'
import { zh } from '@/strings'

/** Who leads consultations of which kind. */
const PRACTITIONER: Readonly<Record<Kind, Profession>> = {
  first: 'doctor',
  revisit: 'doctor',
  advice: 'doctor',
  department: 'doctor',
  medication: 'pharmacist',
  nursing: 'nurse',
}

/** Whether somebody in this role has a reception of patients. */
export const leads = (role: Role | null): role is Profession =>
  role !== null && (Object.values(PRACTITIONER) as Role[]).includes(role)

/** A text about the doctor, with somebody of this role called what he or she is. */
export const calledBy = (role: Role, text: string): string =>
  text.replaceAll(zh.roles.doctor, zh.roles[role])

/** A text about the doctor, with whoever answers in this kind called what he or she is. */
export const worded = (kind: Kind, text: string): string => calledBy(PRACTITIONER[kind], text)
