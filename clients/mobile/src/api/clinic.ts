import { http } from './client'
import type { Page, Patient } from './types'

export type ItemKind = 'drug' | 'examination' | 'laboratory' | 'nucleic_acid'
export type Desk = 'pharmacy' | 'clinic'

export interface ClinicItem {
  id: string
  kind: ItemKind
  kind_text: string
  desk: Desk
  code: string
  name: string
  category: string
  subcategory: string
  price_fen: number
  precautions: string
  special: boolean
  needs_time: boolean
}

export interface Clinic {
  open: boolean
  asks_time: boolean
  days: number
  notice_version: string
  notice_title: string
  notice_text: string
  signature_required: boolean
  agreed: boolean
}

export interface Category {
  name: string
  subcategories: string[]
}

export interface ItemTime {
  starts_at: string
  left: number
}

export type SelfOrderState =
  | 'submitted'
  | 'awaiting_payment'
  | 'paid'
  | 'done'
  | 'refused'
  | 'cancelled'

export interface SelfOrderLine {
  item_id: string
  kind: ItemKind
  kind_text: string
  name: string
  price_fen: number
  quantity: number
  starts_at: string | null
  precautions: string
}

export interface SelfOrder {
  id: string
  number: string
  desk: Desk
  desk_text: string
  state: SelfOrderState
  state_text: string
  close_reason: string | null
  close_text: string | null
  patient: Patient
  purpose: string
  lines: SelfOrderLine[]
  total_fen: number
  order_id: string | null
  reviewer_name: string | null
  reviewed_at: string | null
  review_words: string | null
  submitted_at: string
  review_by: string
  pay_by: string | null
  paid_at: string | null
  done_at: string | null
  refund_requested_at: string | null
}

export interface Basket {
  patient_id: string
  lines: { item_id: string; quantity: number; price_fen: number; starts_at: string | null }[]
  purpose: string
}

export const clinic = {
  show: () => http.call<Clinic>('GET', '/self-orders/clinic'),
  categories: (kind: ItemKind) =>
    http.call<Category[]>('GET', '/self-orders/categories', { query: { kind } }),
  items: (query: {
    kind: ItemKind
    q?: string
    category?: string
    subcategory?: string
    cursor?: string | null
  }) => http.call<Page<ClinicItem>>('GET', '/self-orders/items', { query }),
  times: (id: string) => http.call<ItemTime[]>('GET', `/self-orders/items/${id}/times`),
  submit: (body: Basket, idempotencyKey: string) =>
    http.call<SelfOrder>('POST', '/self-orders', { body, idempotencyKey }),
  orders: (query: { state?: string; cursor?: string | null }) =>
    http.call<Page<SelfOrder>>('GET', '/self-orders', { query }),
  order: (id: string) => http.call<SelfOrder>('GET', `/self-orders/${id}`),
  cancel: (id: string) => http.call<SelfOrder>('POST', `/self-orders/${id}/cancel`),
}
