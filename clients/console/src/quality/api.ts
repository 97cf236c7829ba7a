import { http } from "@/api/http";
import type { Page, Role } from "@/api/types";

/** The quality of one answered call; null: never measured. */
export interface CallFigures {
  id: string;
  room: string;
  media: "video" | "voice";
  started_at: string;
  seconds: number | null;
  people: number;
  staff: string[];
  /** 1 is bad, 4 good. */
  worst: number | null;
  connect_ms: number | null;
  /** 0..1. */
  loss: number | null;
  rtt_ms: number | null;
  jitter_ms: number | null;
  bitrate: number | null;
  paused_seconds: number;
  freezes: number;
  frozen_seconds: number;
}

export interface ReportDay {
  day: string;
  calls: number;
  poor: number;
  loss: number | null;
  rtt_ms: number | null;
  connect_ms_p95: number | null;
}

export interface CallTotals {
  calls: number;
  poor: number;
  days: ReportDay[];
}

export interface QualityMinute {
  user_id: string;
  at: string;
  worst: number;
  warning: string | null;
  rtt_ms: number | null;
  loss: number;
  jitter_ms: number;
  bitrate: number;
  paused_seconds: number;
  freezes: number;
  frozen_seconds: number;
}

export interface CallReport {
  id: string;
  room: string;
  media: "video" | "voice";
  started_at: string;
  answered_at: string;
  ended_at: string | null;
  people: { user_id: string; role: Role; name: string | null; connect_ms: number | null }[];
  minutes: QualityMinute[];
}

export type CallFilter = Partial<
  Record<"from" | "to" | "level" | "media" | "order" | "room", string>
>;

export const calls = {
  list: (filter: CallFilter, cursor: string | null) =>
    http.get<Page<CallFigures>>("/calls", { ...filter, cursor, limit: 20 }),
  totals: (filter: CallFilter) =>
    http.get<CallTotals>("/calls/totals", { from: filter.from, to: filter.to }),
  report: (id: string) => http.get<CallReport>(`/calls/${id}/quality`),
  exportCsv: ({ from, to, level, media }: CallFilter, name: string) =>
    http.download("/calls/export.csv", { from, to, level, media }, name),
};
