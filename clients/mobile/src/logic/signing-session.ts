import type { Confirmation } from '@/api/signing'

let kept: Confirmation | null = null

/** The signing session of this app, while it lasts; its token is kept in memory alone. */
export function openSession(now: number): Confirmation | null {
  if (kept && Date.parse(kept.expires_at) <= now) kept = null
  return kept
}

export function keepSession(confirmation: Confirmation | null): void {
  kept = confirmation
}

/** Minutes and seconds that are left, as people read them. */
export function timeLeft(confirmation: Confirmation, now: number): string {
  const seconds = Math.max(0, Math.ceil((Date.parse(confirmation.expires_at) - now) / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
