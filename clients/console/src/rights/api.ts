import { http } from "@/api/http";
import type { Page } from "@/api/types";

export interface Purpose {
  code: string;
  title: string;
  text: string;
  required: boolean;
}

/** What an administrator writes of a text. */
export interface Wording {
  version: string;
  title: string;
  summary: string;
  text: string;
  purposes: Purpose[];
  signature_required: boolean;
  material: boolean;
  grace_days: number;
  change_note: string;
  effective_at: string | null;
}

/** The newest wish to publish a version; a second person decides about it. */
export interface Proposal {
  id: string;
  state: "pending" | "confirmed" | "refused" | "withdrawn";
  base_id: string | null;
  base_version: string | null;
  requested_by: string;
  requested_at: string;
  decided_by: string | null;
  decided_at: string | null;
  note: string;
  mine: boolean;
}

export interface TextVersion extends Wording {
  id: string;
  kind: string;
  kind_text: string;
  own: boolean;
  state: "draft" | "pending" | "published";
  phase: "draft" | "pending" | "coming" | "current" | "past";
  proposal: Proposal | null;
  digest: string | null;
  created_at: string;
  changed_at: string;
  published_at: string | null;
  published_by: string | null;
}

export interface DiffLine {
  mark: "same" | "added" | "removed";
  text: string;
}

export interface Answers {
  given: number;
  refused: number;
  withdrawn: number;
  by_day: [string, number][];
}

export interface Holding {
  title: string;
  count: number;
  oldest: string | null;
  newest: string | null;
  note: string;
  keep_until: string | null;
  rule: string;
}

export interface RightsRequest {
  id: string;
  number: string;
  right: string;
  right_text: string;
  state: "submitted" | "in_progress" | "cooling" | "done" | "refused" | "cancelled";
  state_text: string;
  patient_name: string | null;
  field: string;
  wish: string;
  words: string;
  files: { id: string; name: string }[];
  created_at: string;
  due_on: string;
  extended: boolean;
  outcome_text: string | null;
  reason: string;
  result: { title: string; erased: number; kept: number; until: string | null; why: string }[];
  closed_at: string | null;
  close_at: string | null;
  urgency: "normal" | "near" | "overdue";
  requester: string;
  requester_id: string;
  assignee: string | null;
  assignee_id: string | null;
  checked_at: string | null;
  steps: { at: string; what: string; what_text: string; words: string; by: string | null }[];
}

export interface Officer {
  id: string;
  name: string;
  open: number;
  me: boolean;
}

export interface QueueNumbers {
  open: number;
  mine: number;
  unassigned: number;
  near: number;
  overdue: number;
  answered: number;
  refused: number;
  median_days: number | null;
  by_right: Record<string, number>;
}

export interface Hold {
  id: string;
  thing: string;
  thing_text: string;
  thing_id: string;
  label: string;
  reason: string;
  placed_by: string;
  since: string;
  lifted_at: string | null;
  lifted_by: string | null;
  lift_reason: string;
}

export const KINDS: Record<string, string> = {
  user_agreement: "用户服务协议",
  privacy: "隐私政策",
  consultation_notice: "互联网复诊须知",
  recording: "录音录像同意",
  sensitive: "敏感个人信息处理同意",
  guardian: "监护人同意（未满14周岁）",
  home_nursing: "上门护理知情同意",
  long_term_prescription: "长期处方知情同意",
  self_order_notice: "自助开单须知",
};

export const RIGHTS: Record<string, string> = {
  correction: "更正",
  deletion: "删除",
  restriction: "限制或反对处理",
  copy: "复制",
  account_closing: "注销账号",
};

/** What publishing a version means for those who agreed before. */
export function agreeAgain(version: { material: boolean; grace_days: number }): string {
  if (!version.material) return "非重要变更，此前的同意继续有效";
  const when = version.grace_days ? `生效 ${version.grace_days} 天后` : "生效后";
  return `重要变更，${when}此前的同意失效，需重新同意`;
}

const purposeLine = (one: Purpose): string =>
  `${one.title}（${one.required ? "必需" : "可选"}）：${one.text}`;

/** What changed between the purposes that are ticked one by one, as lines of a comparison. */
export function purposeChanges(before: readonly Purpose[], after: readonly Purpose[]): DiffLine[] {
  const old = before.map(purposeLine);
  const now = after.map(purposeLine);
  return [
    ...old
      .filter((line) => !now.includes(line))
      .map((text) => ({ mark: "removed", text }) as const),
    ...now.filter((line) => !old.includes(line)).map((text) => ({ mark: "added", text }) as const),
  ];
}

export const texts = {
  list: () => http.get<TextVersion[]>("/consent-texts"),
  draft: (kind: string, body: Wording) =>
    http.post<TextVersion>("/consent-texts", { kind, ...body }),
  edit: (id: string, body: Wording) => http.put<TextVersion>(`/consent-texts/${id}`, body),
  drop: (id: string) => http.delete<void>(`/consent-texts/${id}`),
  propose: (id: string) => http.post<TextVersion>(`/consent-texts/${id}/proposals`),
  confirm: (proposal: string, note: string) =>
    http.post<TextVersion>(`/consent-text-proposals/${proposal}/confirm`, { note }),
  refuse: (proposal: string, note: string) =>
    http.post<TextVersion>(`/consent-text-proposals/${proposal}/refuse`, { note }),
  withdraw: (proposal: string) =>
    http.post<TextVersion>(`/consent-text-proposals/${proposal}/withdraw`),
  diff: (id: string, base: string) => http.get<DiffLine[]>(`/consent-texts/${id}/diff`, { base }),
  answers: (id: string) => http.get<Answers>(`/consent-texts/${id}/answers`),
};

export const queue = {
  page: (query: Record<string, string | boolean | number | null>) =>
    http.get<Page<RightsRequest>>("/rights/queue", query),
  numbers: () => http.get<QueueNumbers>("/rights/queue/numbers"),
  one: (id: string) => http.get<RightsRequest>(`/rights/requests/${id}`),
  holdings: (id: string) => http.get<Holding[]>(`/rights/requests/${id}/holdings`),
  act: (id: string, verb: "take" | "check" | "extend" | "decide", body?: unknown) =>
    http.post<RightsRequest>(`/rights/requests/${id}/${verb}`, body),
  officers: () => http.get<Officer[]>("/rights/officers"),
  /** `heldBy` is who had it when the giver looked; the server refuses when that has changed. */
  give: (id: string, to: string, heldBy: string | null) =>
    http.post<RightsRequest>(`/rights/requests/${id}/give`, { to, held_by: heldBy }),
};

export const holds = {
  list: () => http.get<Hold[]>("/rights/holds"),
  place: (body: { thing: string; thing_id: string; reason: string }) =>
    http.post<Hold>("/rights/holds", body),
  lift: (id: string, reason: string) => http.post<Hold>(`/rights/holds/${id}/lift`, { reason }),
};
