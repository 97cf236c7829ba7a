import type { OpenShift } from '@/api/schedule'
import { clock, dayOf, later, monthAndDay, wallTime, weekdayOf } from '@/logic/wall-time'
import { zh } from '@/strings'

/** `11月22日 09:00-12:00` */
export function span(from: string, to: string | null): string {
  const { month, day } = wallTime(from)
  return `${month}月${day}日 ${clock(from)}${to ? `-${clock(to)}` : ''}`
}

const MOST_DAYS = 101

export interface Day {
  key: string
  name: string
  date: string
  shifts: OpenShift[]
  /** Whether anything of it can be booked. */
  open: boolean
}

/** A day as a person says it: 今天, 明天, or the day of the week. */
export function dayName(day: string, today: string): string {
  if (day === today) return zh.booking.today
  if (day === later(today, 1)) return zh.booking.tomorrow
  return zh.booking.days[weekdayOf(day)] ?? ''
}

/** The days from today to the last one that has a session, those in between too. */
export function dayStrip(shifts: readonly OpenShift[], now: Date): Day[] {
  const days: Day[] = []
  const today = dayOf(now)
  const last = shifts.map((one) => dayOf(one.starts_at)).reduce((a, b) => (a > b ? a : b), '')
  for (let key = today; key <= last && days.length < MOST_DAYS; key = later(key, 1)) {
    const mine = shifts.filter((one) => dayOf(one.starts_at) === key)
    days.push({
      key,
      name: dayName(key, today),
      date: monthAndDay(key).join('/'),
      shifts: mine,
      open: mine.some((one) => one.bookable),
    })
  }
  return days
}
