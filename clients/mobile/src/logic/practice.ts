import type { Period, Practice } from '@/api/practice'

export function emptyPractice(): Practice {
  return {
    sex: 'female',
    practice_start: '',
    contact_phone: null,
    email: null,
    expertise: '',
    introduction: '',
    education: [],
    work: [],
  }
}

/** What is wrong, by field, in words for beside it. */
export function practiceFaults(draft: Practice, today: string): Record<string, string> {
  const found: Record<string, string> = {}
  if (!draft.practice_start) found['practice_start'] = '请选择从业时间'
  else if (draft.practice_start > today) found['practice_start'] = '从业时间不能晚于今天'
  const email = draft.email?.trim()
  if (email && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email)) found['email'] = '邮箱格式不正确'
  const phone = draft.contact_phone?.trim()
  if (phone && !/^[0-9+\-() ]{5,20}$/.test(phone)) found['contact_phone'] = '请填写正确的电话'
  return found
}

export function periodFault(period: Period): string {
  if (!period.place.trim() || !period.role.trim() || !period.since) return '请填写完整'
  return period.until && period.until < period.since ? '结束时间早于开始时间' : ''
}

/** Dates come from a day picker; a stage of a career is told by its months. */
export function monthOf(day: string): string {
  return day.slice(0, 7)
}

export function handedIn(draft: Practice): Practice {
  return {
    ...draft,
    contact_phone: draft.contact_phone?.trim() || null,
    email: draft.email?.trim() || null,
  }
}
