import type { InboxItem } from "@zhenjian/realtime";
import { http } from "@/api/http";
import type { Page } from "@/api/types";

export type Channel = "in_app" | "wechat_mini" | "wechat_service" | "sms";
export type PushState = "due" | "sent" | "skipped" | "unreachable" | "parked";
export type QuietMode = "hospital" | "own" | "none";
export type Audience = "patients" | "staff";

export interface InboxCounts {
  unread: number;
  categories: { category: string; label: string; count: number; unread: number }[];
}

export interface Preferences {
  categories: { category: string; label: string; on: boolean; statutory: boolean }[];
  quiet_mode: QuietMode;
  quiet_from: number | null;
  quiet_until: number | null;
  hospital_quiet_from: number;
  hospital_quiet_until: number;
  wechat_mini: boolean | null;
  wechat_service: boolean | null;
  phone: string;
}

export interface Choice {
  off: string[];
  quiet_mode: QuietMode;
  quiet_from?: number;
  quiet_until?: number;
}

export interface Message {
  id: string;
  title: string;
  sender: string;
  lines: { label: string; text: string }[];
  created_at: string;
  acknowledge: boolean;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
}

export interface Template {
  channel: Channel;
  channel_label: string;
  version: number;
  title: string;
  body: string;
  provider_template: string;
  fields: Record<string, string>;
  enabled: boolean;
}

export interface TemplateVersion extends Template {
  created_at: string;
  created_by: string;
}

export interface Notice {
  code: string;
  title: string;
  category: string;
  category_label: string;
  staff: boolean;
  urgent: boolean;
  statutory: boolean;
  parameters: { name: string; label: string; kind: string; inside: boolean }[];
  templates: Template[];
}

export interface TemplateInput {
  base_version: number;
  title: string;
  body: string;
  provider_template: string;
  fields: Record<string, string>;
  enabled: boolean;
}

export interface Preview {
  title: string;
  body: string;
  fields: Record<string, string>;
  problem: string | null;
}

export interface Push {
  id: string;
  code: string;
  title: string;
  recipient: string;
  state: PushState;
  state_label: string;
  skipped_label: string | null;
  channel_label: string | null;
  created_at: string;
  finished_at: string | null;
  next_attempt_at: string | null;
}

export interface Attempt {
  channel_label: string;
  outcome: string | null;
  outcome_label: string;
  detail: string;
  reference: string;
  template_version: number;
  started_at: string;
  ended_at: string | null;
}

export interface PushDetail extends Push {
  text: string;
  phone: string;
  attempts: Attempt[];
}

export interface ApplicationPolicy {
  name: string;
  enabled: boolean;
  codes: string[];
  audiences: Audience[];
  addresses: string[];
  per_minute: number;
}

export interface Application extends ApplicationPolicy {
  id: string;
  code: string;
  created_at: string;
  changed_at: string;
}

export const centre = {
  counts: () => http.get<InboxCounts>("/inbox/counts"),
  items: (query: Record<string, string | null>) => http.get<Page<InboxItem>>("/inbox/items", query),
  readOne: (id: number) => http.put<void>(`/inbox/items/${id}/read`),
  readAll: (category: string | null) => http.put<void>("/inbox/all-read", { category }),
  message: (id: string) => http.get<Message>(`/me/notifications/messages/${id}`),
  acknowledge: (id: string) => http.post<Message>(`/me/notifications/messages/${id}/acknowledge`),
  preferences: () => http.get<Preferences>("/me/notifications"),
  choose: (choice: Choice) => http.put<Preferences>("/me/notifications", choice),
};

export const desk = {
  notices: () => http.get<Notice[]>("/notification-templates"),
  versions: (code: string, channel: Channel) =>
    http.get<TemplateVersion[]>(`/notification-templates/${code}/${channel}/versions`),
  preview: (code: string, channel: Channel, body: TemplateInput) =>
    http.post<Preview>(`/notification-templates/${code}/${channel}/preview`, body),
  reword: (code: string, channel: Channel, body: TemplateInput) =>
    http.put<TemplateVersion>(`/notification-templates/${code}/${channel}`, body),
  pushes: (query: Record<string, string | null>) =>
    http.get<Page<Push>>("/notification-pushes", query),
  counts: () =>
    http.get<{ states: Partial<Record<PushState, number>> }>("/notification-pushes/counts"),
  push: (id: string) => http.get<PushDetail>(`/notification-pushes/${id}`),
  retry: (id: string) => http.post<PushDetail>(`/notification-pushes/${id}/retry`),
  applications: () => http.get<Application[]>("/notification-applications"),
  register: (policy: ApplicationPolicy, key: string) =>
    http.post<Application & { secret: string }>("/notification-applications", policy, {
      idempotent: key,
    }),
  change: (id: string, policy: ApplicationPolicy) =>
    http.put<Application>(`/notification-applications/${id}`, policy),
  newSecret: (id: string) =>
    http.post<{ secret: string }>(`/notification-applications/${id}/secret`),
};

/** `22:30` of minutes of the day, and back. */
export function clockOf(minutes: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

export function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  return hours * 60 + minutes;
}
