import { overlay } from '@/native/overlay-state'
import { isH5 } from '.'
import { go, here } from './nav'

let waiting: Promise<boolean> | null = null
let answer: (proved: boolean) => void = () => undefined

/** Asks for a second factor over the page; false when the person would rather not. */
export function askFactor(): Promise<boolean> {
  waiting ??= new Promise<boolean>((resolve) => {
    answer = resolve
    if (isH5) overlay.factor = { answer: resolve }
    else go('/pages/security/factor')
  }).finally(() => {
    waiting = null
    overlay.factor = null
  })
  return waiting
}

/** The page that stands in for the sheet in mini-programs is done. */
export function answerFactor(proved: boolean): void {
  answer(proved)
}

/** What the server asks for first: true when it is settled and the request may be repeated. */
export async function settleOwed(code: string): Promise<boolean> {
  if (code === 'second_factor_required') return askFactor()
  if (!here().startsWith('/pages/security/password')) go('/pages/security/password', { owed: '1' })
  return false
}
