import type { IconName } from './icons'

/** The icon of a service of the home page; the hospital names it, unknown names get a plain one. */
const BY_CODE: Readonly<Record<string, IconName>> = {
  revisit: 'chat',
  text: 'chat',
  consultation: 'chat',
  video: 'video',
  self_order: 'flask',
  refill: 'pill',
  medication: 'pill',
  prescription: 'order',
  consult_department: 'building',
  department: 'building',
  departments: 'building',
  doctors: 'doctor',
  doctor: 'doctor',
  first: 'stethoscope',
  appointment: 'calendar',
  registration: 'calendar',
  nursing: 'nurse',
  followup: 'heartbeat',
  report: 'flask',
  lab: 'flask',
  exam: 'flask',
  patients: 'people',
  records: 'file',
  card: 'card',
  payment: 'order',
  education: 'info',
}

export function serviceIcon(icon: string, code: string): IconName {
  return BY_CODE[icon] ?? BY_CODE[code] ?? BY_CODE[code.split('_')[0] ?? ''] ?? 'heartbeat'
}
