import type { OpenShift } from '@/api/schedule'
import { zh } from '@/strings'

const two = (value: number): string => String(value).padStart(2, '0')

/** The day of a moment on this device, `2026-11-22`. */
export function dayOf(moment: string | Date): string {
  const at = new Date(moment)
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

export function clock(moment: string): string {
  const at = new Date(moment)
  return `${two(at.getHours())}:${two(at.getMinutes())}`
}

/** `11月22日 09:00-12:00` */
export function span(from: string, to: string | null): string {
  const at = new Date(from)
  const day = `${at.getMonth() + 1}月${at.getDate()}日`
  return `${day} ${clock(from)}${to ? `-${clock(to)}` : ''}`
}

export interface Day {
  key: string
  name: string
  date: string
  shifts: OpenShift[]
  /** Whether anything of it can be booked. */
  open: boolean
}

/** The days from today to the last one that has a session, those in between too. */
export function dayStrip(shifts: readonly OpenShift[], today: Date): Day[] {
  const days: Day[] = []
  const last = shifts.reduce((most, one) => Math.max(most, Date.parse(one.starts_at)), 0)
  for (let at = new Date(today); at.getTime() <= last || dayOf(at) === dayOf(new Date(last)); ) {
    const key = dayOf(at)
    const mine = shifts.filter((one) => dayOf(one.starts_at) === key)
    const name =
      days.length === 0
        ? zh.booking.today
        : days.length === 1
          ? zh.booking.tomorrow
          : (zh.booking.days[at.getDay()] ?? '')
    days.push({
      key,
      name,
      date: `${at.getMonth() + 1}/${at.getDate()}`,
      shifts: mine,
      open: mine.some((one) => one.bookable),
    })
    at = new Date(at.getFullYear(), at.getMonth(), at.getDate() + 1)
    if (days.length > 100) break
  }
  return days
}
