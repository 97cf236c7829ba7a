import { clock, dayOf, later, wallTime } from './wall-time'

const TWO = (value: number): string => String(value).padStart(2, '0')

/** 12345 fen → "123.45"; whole yuan without a fraction. */
export function yuan(fen: number): string {
  const sign = fen < 0 ? '-' : ''
  const value = Math.abs(Math.round(fen))
  const rest = value % 100
  return `${sign}${Math.floor(value / 100)}${rest === 0 ? '' : `.${TWO(rest)}`}`
}

/** A moment as a person says it: today's time, 昨天, month and day, or the full date. */
export function when(iso: string | null | undefined, now: Date): string {
  if (!iso || Number.isNaN(Date.parse(iso))) return ''
  const [own, today, time] = [dayOf(iso), dayOf(now), clock(iso)]
  if (own === today) return time
  if (own === later(today, -1)) return `昨天 ${time}`
  const { year, month, day } = wallTime(iso)
  return own.slice(0, 4) === today.slice(0, 4)
    ? `${month}月${day}日 ${time}`
    : `${year}年${month}月${day}日`
}

/** Date and time in full, for details. */
export function dateTime(iso: string | null | undefined): string {
  return !iso || Number.isNaN(Date.parse(iso)) ? '' : `${dayOf(iso)} ${clock(iso)}`
}

/** Milliseconds → "3:05", with hours "1:02:03". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return hours > 0
    ? `${hours}:${TWO(minutes)}:${TWO(seconds % 60)}`
    : `${minutes}:${TWO(seconds % 60)}`
}

/** Milliseconds left as a person says it, rounded so that it never promises too much. */
export function left(ms: number): string {
  if (ms <= 0) return '0 秒'
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} 秒`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} 分 ${seconds % 60} 秒`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} 小时 ${minutes % 60} 分` : `${Math.floor(hours / 24)} 天`
}

export function fileSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(0)} KB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}

/** Who a certificate's name speaks of: 演示签发CA of `CN=演示签发CA, O=诊间, C=CN`. */
export const commonName = (name: string): string => /(?:^|,\s*)CN=([^,]+)/.exec(name)?.[1] ?? name
