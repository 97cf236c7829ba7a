import type { LabResult, Mark } from '@/api/reports'
import { wallTime } from './wall-time'

/** The first day of the last so many months; nothing for all. */
export function sinceMonths(months: string, now: Date): string | undefined {
  if (months === 'all') return undefined
  const today = wallTime(now)
  const month = today.month - Number(months)
  const last = new Date(Date.UTC(today.year, month, 0)).getUTCDate()
  const first = new Date(Date.UTC(today.year, month - 1, Math.min(today.day, last)))
  return first.toISOString().slice(0, 10)
}

export function isOff(mark: Mark | null): boolean {
  return mark !== null && mark !== 'normal'
}

function weight(mark: Mark | null): number {
  if (!isOff(mark)) return 2
  return mark?.startsWith('critical') ? 0 : 1
}

/** What needs a look comes first; otherwise as the laboratory printed it. */
export function offFirst(results: readonly LabResult[]): LabResult[] {
  return [...results].sort((a, b) => weight(a.mark) - weight(b.mark))
}
