import { ROLES } from "@/support/labels";
import type { CallFilter, CallReport, QualityMinute } from "@/quality/api";

export const percent = (share: number | null): string =>
  share === null ? "—" : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
export const milliseconds = (value: number | null): string =>
  value === null ? "—" : `${value} 毫秒`;
export const kilobits = (value: number | null): string =>
  value === null ? "—" : `${Math.round(value / 1000)} kbit/s`;

/** The colour of a level's tag: red is for what the doctor and the patient really suffered from. */
export const levelTag = (level: number | null): "danger" | "warning" | "info" | "primary" =>
  level === null ? "info" : level === 1 ? "danger" : level === 2 ? "warning" : "primary";

/** What is asked of the server: what is not set stays out. */
export function callFilter(filters: Record<string, string>): CallFilter {
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== ""));
}

export interface Line {
  user: string;
  name: string;
  connectMs: number | null;
  /** One value a minute of the call; null: not there in that minute. */
  values: (QualityMinute | null)[];
}

/** The minutes of a call as one line a participant, and the minutes that they share. */
export function linesOf(report: CallReport): { minutes: string[]; lines: Line[] } {
  const minutes = [...new Set(report.minutes.map((one) => one.at))].sort();
  const lines = report.people.map((person) => ({
    user: person.user_id,
    name: person.name ?? ROLES[person.role],
    connectMs: person.connect_ms,
    values: minutes.map(
      (at) => report.minutes.find((one) => one.at === at && one.user_id === person.user_id) ?? null,
    ),
  }));
  return { minutes, lines };
}
