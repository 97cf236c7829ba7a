import type { OwnService } from '@/api/services'

/** What the nurse typed: the price in yuan, the patients a day. */
export interface NursingForm {
  price: string
  perDay: string
  enabled: boolean
}

export const formOf = (service: OwnService | undefined): NursingForm => ({
  price: service ? String(service.price_fen / 100) : '',
  perDay: service?.per_day ? String(service.per_day) : '',
  enabled: service?.enabled ?? false,
})

/** Which fields say nothing usable yet. */
export function faultsOf(form: NursingForm): { price: boolean; perDay: boolean } {
  const price = form.price.trim()
  const perDay = form.perDay.trim()
  return {
    price: !/^\d{1,5}(\.\d{1,2})?$/.test(price) || Number(price) > 10_000,
    perDay: !/^\d{1,3}$/.test(perDay) || Number(perDay) < 1,
  }
}

/** The service as it is sent; of a form without faults. */
export const serviceOf = (form: NursingForm, former: OwnService | undefined): OwnService => ({
  kind: 'nursing',
  mode: 'text',
  price_fen: Math.round(Number(form.price) * 100),
  minutes: former?.minutes ?? 15,
  enabled: form.enabled,
  per_day: Number(form.perDay),
})
