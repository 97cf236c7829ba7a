import type { ClinicItem, Desk, ItemTime, SelfOrderState } from '@/api/clinic'
import { dayName } from '@/logic/booking'
import { dayOf, monthAndDay } from '@/logic/wall-time'
import { zh } from '@/strings'

/** Packs of one drug at most; of everything else one. */
export const MOST_PACKS = 20

export interface Line {
  item: ClinicItem
  quantity: number
  starts_at: string | null
}

export const mostOf = (item: ClinicItem): number => (item.kind === 'drug' ? MOST_PACKS : 1)

/** The basket with so many of an item; none takes it out. */
export function withItem(basket: readonly Line[], item: ClinicItem, quantity: number): Line[] {
  const many = Math.min(Math.max(quantity, 0), mostOf(item))
  const known = basket.find((line) => line.item.id === item.id)
  if (!known) return many ? [...basket, { item, quantity: many, starts_at: null }] : [...basket]
  return basket.flatMap((line) =>
    line !== known ? [line] : many ? [{ ...line, item, quantity: many }] : [],
  )
}

export const quantityOf = (basket: readonly Line[], id: string): number =>
  basket.find((line) => line.item.id === id)?.quantity ?? 0

export const totalOf = (basket: readonly Line[]): number =>
  basket.reduce((sum, line) => sum + line.item.price_fen * line.quantity, 0)

export interface Group {
  desk: Desk
  lines: Line[]
}

/** What is reviewed together: drugs by a pharmacist, everything else by a doctor. */
export function groups(basket: readonly Line[]): Group[] {
  return (['clinic', 'pharmacy'] as const)
    .map((desk) => ({ desk, lines: basket.filter((line) => line.item.desk === desk) }))
    .filter((group) => group.lines.length > 0)
}

/** What is still missing before these lines can be submitted; nothing when all is there. */
export function missing(
  lines: readonly Line[],
  patient: string,
  purpose: string,
  asksTime: boolean,
): string {
  if (!patient) return zh.clinic.choosePerson
  const untimed = lines.find((line) => asksTime && line.item.needs_time && !line.starts_at)
  if (untimed) return zh.clinic.chooseTimeOf(untimed.item.name)
  if (lines.some((line) => line.item.special) && !purpose.trim()) return zh.clinic.purposeNeeded
  return ''
}

export interface TimeDay {
  key: string
  name: string
  date: string
  times: ItemTime[]
  open: boolean
}

/** The days on which an item has times, in order. */
export function timeDays(times: readonly ItemTime[], now: Date): TimeDay[] {
  const days = new Map<string, ItemTime[]>()
  for (const each of times) {
    const key = dayOf(each.starts_at)
    days.set(key, [...(days.get(key) ?? []), each])
  }
  return [...days].map(([key, mine]) => ({
    key,
    name: dayName(key, dayOf(now)),
    date: monthAndDay(key).join('/'),
    times: mine,
    open: mine.some((each) => each.left > 0),
  }))
}

const TAGS = {
  submitted: 'waiting',
  awaiting_payment: 'waiting',
  paid: 'action',
  done: 'past',
  refused: 'danger',
  cancelled: 'past',
} as const

export const tagOf = (state: SelfOrderState): 'action' | 'waiting' | 'danger' | 'past' =>
  TAGS[state]

/** Whether the patient can still step back. */
export const cancellable = (state: SelfOrderState): boolean =>
  ['submitted', 'awaiting_payment', 'paid'].includes(state)
