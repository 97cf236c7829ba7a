import { http } from "@/api/http";
import type { FileRef, Page, Role } from "@/api/types";

export type Kind = "news" | "internal" | "public" | "meeting" | "course" | "academic";
export type Phase = "draft" | "scheduled" | "shown" | "over" | "withdrawn";
export type Reading = "all" | "read" | "unread" | "unconfirmed";

export interface Span {
  text: string;
  href: string | null;
}
export interface Block {
  kind: "heading" | "paragraph" | "item";
  spans: Span[];
}

export interface Item {
  id: string;
  kind: Kind;
  kind_label: string;
  title: string;
  summary: string;
  cover: FileRef | null;
  pinned: boolean;
  published_at: string;
  starts_at: string | null;
  ends_at: string | null;
  place: string;
  read: boolean;
  fresh: boolean;
  confirm: boolean;
  confirmed_at: string | null;
}
export interface Announcement extends Item {
  blocks: Block[];
  files: FileRef[];
  changed_at: string | null;
}

export interface Wanted {
  kind: Kind;
  title: string;
  text: string;
  cover_id: string | null;
  file_ids: string[];
  roles: Role[];
  department_ids: string[];
  people: string[];
  pinned: boolean;
  confirm: boolean;
  starts_at: string | null;
  ends_at: string | null;
  place: string;
  remind_minutes: number | null;
  until: string | null;
}

export interface KeptItem {
  id: string;
  kind: Kind;
  kind_label: string;
  title: string;
  phase: Phase;
  phase_label: string;
  pinned: boolean;
  confirm: boolean;
  published_at: string | null;
  until: string | null;
  starts_at: string | null;
  place: string;
  version: number;
  changed_at: string;
  created_by: string;
  read: number;
  confirmed: number;
}
export interface Kept extends KeptItem {
  text: string;
  blocks: Block[];
  cover: FileRef | null;
  files: FileRef[];
  roles: Role[];
  department_ids: string[];
  people: { user_id: string; name: string }[];
  ends_at: string | null;
  remind_minutes: number | null;
  announced_at: string | null;
  reminded_at: string | null;
  staff: number;
}
export interface Version {
  version: number;
  changed_at: string;
  changed_by: string;
  changed: string[];
  title: string;
  text: string;
}
export interface Reader {
  user_id: string;
  name: string;
  departments: string[];
  read_at: string | null;
  confirmed_at: string | null;
  outdated: boolean;
}

type Where = Record<string, string | number | boolean | null>;

/** What the hospital tells this person. */
export const announcements = {
  list: (where: Where) => http.get<Page<Item>>("/me/announcements", where),
  count: () => http.get<{ unread: number }>("/me/announcements/count"),
  read: (id: string) => http.post<Announcement>(`/me/announcements/${id}/read`),
  confirm: (id: string) => http.post<Announcement>(`/me/announcements/${id}/confirm`),
};

/** The desk of those who keep announcements. */
export const desk = {
  list: (where: Where) => http.get<Page<KeptItem>>("/announcements", where),
  show: (id: string) => http.get<Kept>(`/announcements/${id}`),
  draft: (wanted: Wanted, key: string) =>
    http.post<Kept>("/announcements", wanted, { idempotent: key }),
  edit: (id: string, wanted: Wanted, version: number) =>
    http.put<Kept>(`/announcements/${id}`, { ...wanted, base_version: version }),
  discard: (id: string) => http.delete<void>(`/announcements/${id}`),
  publish: (id: string, version: number, at: string | null) =>
    http.post<Kept>(`/announcements/${id}/publish`, { base_version: version, at }),
  withdraw: (id: string, reason = "") =>
    http.post<Kept>(`/announcements/${id}/withdraw`, { reason }),
  preview: (text: string) => http.post<Block[]>("/announcements/preview", { text }),
  versions: (id: string) => http.get<Version[]>(`/announcements/${id}/versions`),
  readers: (id: string, where: Where) =>
    http.get<Page<Reader>>(`/announcements/${id}/readers`, where),
};

export const KINDS: Record<Kind, string> = {
  news: "医院新闻",
  internal: "院内通知",
  public: "公共信息",
  meeting: "会议",
  course: "培训",
  academic: "学术活动",
};
export const PHASES: Record<Phase, string> = {
  draft: "草稿",
  scheduled: "待发布",
  shown: "发布中",
  over: "已到期",
  withdrawn: "已撤下",
};
export const WORK: readonly Kind[] = ["meeting", "course", "academic"];
export const isWork = (kind: Kind): boolean => WORK.includes(kind);
/** Notices and work are for staff alone. */
export const isInside = (kind: Kind): boolean => kind === "internal" || isWork(kind);
