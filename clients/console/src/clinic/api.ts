import { http } from "@/api/http";
import type { Page, Patient } from "@/api/types";

export type ItemKind = "drug" | "examination" | "laboratory" | "nucleic_acid";
export const KINDS: Record<ItemKind, string> = {
  examination: "检查",
  laboratory: "检验",
  nucleic_acid: "核酸检测",
  drug: "药品",
};

export interface ItemForm {
  kind: ItemKind;
  code: string;
  name: string;
  category: string;
  subcategory: string;
  price_fen: number;
  precautions: string;
  special: boolean;
  needs_time: boolean;
  times: string[];
  capacity: number;
  active: boolean;
}

export interface Item extends ItemForm {
  id: string;
  kind_text: string;
  version: number;
  changed_at: string;
}

export type OrderState =
  "submitted" | "awaiting_payment" | "paid" | "done" | "refused" | "cancelled";

export interface SelfOrder {
  id: string;
  number: string;
  desk: "pharmacy" | "clinic";
  desk_text: string;
  state: OrderState;
  state_text: string;
  close_reason: string | null;
  close_text: string | null;
  patient: Patient;
  purpose: string;
  lines: {
    item_id: string;
    kind: ItemKind;
    kind_text: string;
    name: string;
    price_fen: number;
    quantity: number;
    starts_at: string | null;
    precautions: string;
  }[];
  total_fen: number;
  reviewer_name: string | null;
  reviewed_at: string | null;
  review_words: string | null;
  submitted_at: string;
  review_by: string;
  pay_by: string | null;
  paid_at: string | null;
  done_at: string | null;
  refund_requested_at: string | null;
}

export const STATES: Record<OrderState, string> = {
  submitted: "待审核",
  awaiting_payment: "待支付",
  paid: "待完成",
  done: "已完成",
  refused: "未通过",
  cancelled: "已取消",
};
export const TAGS: Record<OrderState, "primary" | "warning" | "info" | "danger" | "success"> = {
  submitted: "warning",
  awaiting_payment: "warning",
  paid: "primary",
  done: "success",
  refused: "danger",
  cancelled: "info",
};

type Query = Record<string, string>;

export const orders = {
  list: (query: Query, cursor: string | null) =>
    http.get<Page<SelfOrder>>("/self-orders", { ...query, cursor, limit: 20 }),
  get: (id: string) => http.get<SelfOrder>(`/self-orders/${id}`),
  approve: (id: string, words: string) =>
    http.post<SelfOrder>(`/self-orders/${id}/approve`, { words }),
  refuse: (id: string, reason: string) =>
    http.post<SelfOrder>(`/self-orders/${id}/refuse`, { reason }),
  fulfil: (id: string) => http.post<SelfOrder>(`/self-orders/${id}/fulfil`),
};

export const items = {
  list: (query: Query, cursor: string | null) =>
    http.get<Page<Item>>("/self-order-items", { ...query, cursor, limit: 20 }),
  add: (form: ItemForm) => http.post<Item>("/self-order-items", form),
  change: (id: string, form: ItemForm & { version: number }) =>
    http.put<Item>(`/self-order-items/${id}`, form),
  exportCsv: (query: Query, name: string) =>
    http.download("/self-order-items/export.csv", query, name),
  takeOver: (table: string) =>
    http.post<{ added: number; changed: number; unchanged: number }>("/self-order-items/import", {
      table,
    }),
};

/** What one doctor or pharmacist reviewed; `minutes` from submission to review on average. */
export interface ReviewerLoad {
  reviewer: { id: string; name: string; title: string; department: string };
  reviewed: number;
  approved: number;
  refused: number;
  done: number;
  kinds: Partial<Record<ItemKind, number>>;
  amount_fen: number;
  minutes: number;
}

export interface Workload {
  first: string;
  last: string;
  reviewers: ReviewerLoad[];
  days: { day: string; approved: number; refused: number; minutes: number | null }[];
}

export const workload = {
  show: (query: Query) => http.get<Workload>("/self-orders/workload", query),
  exportCsv: (query: Query, name: string) =>
    http.download("/self-orders/workload.csv", query, name),
};

/** The text of a table, as spreadsheets save it here: UTF-8, or GB 18030 where it is not. */
export function tableText(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}
