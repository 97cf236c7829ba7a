import type { LabResult, Mark } from '@/api/reports'
import { isoDate } from './format'

/** The first day of the last so many months; nothing for all. */
export function sinceMonths(months: string, today: Date): string | undefined {
  if (months === 'all') return undefined
  const first = new Date(today.getFullYear(), today.getMonth() - Number(months), 1)
  const last = new Date(first.getFullYear(), first.getMonth() + 1, 0).getDate()
  first.setDate(Math.min(today.getDate(), last))
  return isoDate(first)
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
