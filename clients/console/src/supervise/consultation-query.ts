import type { ConsultationFilter } from "@/api";
import type { ConsultationState } from "@/api/types";

/** What narrows the list of consultations, as it stands in the address. */
export const FILTERS = [
  "state",
  "patient",
  "doctor",
  "department",
  "q",
  "kind",
  "booked",
  "mode",
  "purpose",
  "by",
  "from",
  "to",
] as const;
export type ConsultationFilters = Record<(typeof FILTERS)[number], string>;

/** What the server is asked for; days are business days of the hospital, both ends included. */
export function consultationQuery(
  filters: ConsultationFilters,
  shown: readonly ConsultationState[],
): ConsultationFilter {
  return {
    state: filters.state || shown.join(","),
    patient: filters.patient.trim(),
    doctor: filters.doctor.trim(),
    department_id: filters.department,
    q: filters.q.trim(),
    kind: filters.kind,
    booked: filters.booked,
    mode: filters.mode,
    purpose: filters.purpose,
    by: filters.by,
    from: filters.from,
    to: filters.to,
  };
}
