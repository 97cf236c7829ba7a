/** The hospital's clock and calendar: every time on screen follows them, wherever the device is. */

/** China has one zone and no summer time, and not every mini-program engine knows time zones. */
const AHEAD_OF_UTC_MS = 8 * 3_600_000

export interface WallTime {
  year: number
  /** 1 to 12. */
  month: number
  day: number
  hour: number
  minute: number
}

/** What the hospital's clock and calendar show at a moment; of what is no moment, NaN. */
export function wallTime(moment: string | number | Date): WallTime {
  const at = new Date(new Date(moment).getTime() + AHEAD_OF_UTC_MS)
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    hour: at.getUTCHours(),
    minute: at.getUTCMinutes(),
  }
}

const two = (value: number): string => String(value).padStart(2, '0')

/** The day of a moment, `2026-11-22`. */
export function dayOf(moment: string | number | Date): string {
  const at = wallTime(moment)
  return `${at.year}-${two(at.month)}-${two(at.day)}`
}

/** The time of day of a moment, `09:05`. */
export function clock(moment: string | number | Date): string {
  const at = wallTime(moment)
  return `${two(at.hour)}:${two(at.minute)}`
}

const DAY_MS = 86_400_000

/** A day so many days after another. */
export function later(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)
}

/** Of a day, 0 is Sunday. */
export function weekdayOf(day: string): number {
  return new Date(day).getUTCDay()
}

/** Month and day of a day, without leading zeros. */
export function monthAndDay(day: string): [number, number] {
  const [, month = 1, date = 1] = day.split('-').map(Number)
  return [month, date]
}
