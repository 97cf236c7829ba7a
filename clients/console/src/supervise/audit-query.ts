import type { AuditQuery } from "@/api/audit";
import { later, momentOf } from "@/support/days";

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
    from: filters.from ? momentOf(filters.from) : "",
    to: filters.to ? momentOf(later(filters.to, 1)) : "",
  };
}

/** The same for the chart, which needs both ends: two weeks up to `today` where none are given. */
export function daysQuery(filters: AuditFilters, today: string): AuditQuery {
  const to = filters.to || today;
  const from = filters.from || later(to, -13);
  return auditQuery({ ...filters, from, to });
}

/** All days from the first to the last, so that quiet ones show. */
export function daysBetween(first: string, last: string): string[] {
  const found: string[] = [];
  for (let day = first; day <= last && found.length < 92; day = later(day, 1)) found.push(day);
  return found;
}
