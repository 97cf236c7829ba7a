import type { AuditQuery } from "@/api/audit";

/** Everything that narrows the audit, as it stands in the address. */
export const AUDIT_FILTERS = [
  "hospital_id",
  "person",
  "patient_id",
  "patient_name",
  "category",
  "action",
  "object_type",
  "object_id",
  "from",
  "to",
] as const;

export type AuditFilters = Record<(typeof AUDIT_FILTERS)[number], string>;

const DAY = 86_400_000;

/** What the server is asked for: days become moments of the hospital's calendar. */
export function auditQuery(filters: AuditFilters): AuditQuery {
  return {
    hospital_id: filters.hospital_id,
    person: filters.person.trim(),
    patient_id: filters.patient_id,
    category: filters.category,
    action: filters.action,
    object_type: filters.object_type,
    object_id: filters.object_id.trim(),
    from: filters.from ? `${filters.from}T00:00:00+08:00` : "",
    to: filters.to ? nextDay(filters.to) : "",
  };
}

/** The same for the chart, which needs both ends: two weeks up to `today` where none are given. */
export function daysQuery(filters: AuditFilters, today: string): AuditQuery {
  const to = filters.to || today;
  const from = filters.from || dayBefore(to, 13);
  return auditQuery({ ...filters, from, to });
}

/** All days from the first to the last, so that quiet ones show. */
export function daysBetween(first: string, last: string): string[] {
  const found: string[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last) && found.length < 92; at += DAY)
    found.push(new Date(at).toISOString().slice(0, 10));
  return found;
}

export function dayBefore(day: string, days: number): string {
  return new Date(Date.parse(day) - days * DAY).toISOString().slice(0, 10);
}

function nextDay(day: string): string {
  return `${dayBefore(day, -1)}T00:00:00+08:00`;
}
