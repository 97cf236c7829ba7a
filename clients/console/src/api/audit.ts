import { http } from "@/api/http";
import type { Page, Role } from "@/api/types";

export type AuditCategory = "login" | "look" | "change" | "export" | "maintenance" | "security";

export interface Actor {
  id: string;
  name: string;
}

/** The block of the sealed chain that holds an entry. */
export interface AuditSeal {
  block: number;
  sealed_at: string;
  anchored: boolean;
}

export interface AuditEntry {
  id: string;
  at: string;
  category: AuditCategory;
  hospital: string | null;
  user: Actor | null;
  role: Role | null;
  action: string;
  object_type: string;
  object_id: string;
  patient_id: string | null;
  detail: Record<string, unknown>;
  reason: string | null;
  /** [before, after]; null where only the fact of the change is recorded. */
  changes: Record<string, [unknown, unknown] | null> | null;
  request_id: string;
  address: string;
  seal: AuditSeal | null;
}

export interface AuditDay {
  day: string;
  counts: Partial<Record<AuditCategory, number>>;
}

export interface IntegrityCheck {
  id: string;
  origin: "schedule" | "person" | "command";
  started_by: Actor | null;
  started_at: string;
  finished_at: string | null;
  stage: string;
  done: number;
  total: number;
  found: number;
}

export interface IntegrityFinding {
  id: string;
  kind: string;
  label: string;
  table: string;
  row_id: string;
  words: string;
  found_at: string;
  last_seen_at: string;
  explained_at: string | null;
  explained_by: Actor | null;
  explanation: string | null;
}

export interface Integrity {
  protected_tables: number;
  blocks: number;
  sealed_rows: number;
  unsealed_rows: number;
  sealed_at: string | null;
  anchors: { name: string; block: number; anchored_at: string }[];
  check: IntegrityCheck | null;
  findings: IntegrityFinding[];
}

/** A patient of the hospital; name and card number are masked. */
export interface FoundPatient {
  id: string;
  name: string;
  card_number: string | null;
  birth_year: number;
}

export type AuditQuery = Record<string, string | null | undefined>;

export const audit = {
  list: (query: AuditQuery) => http.get<Page<AuditEntry>>("/audit", query),
  entry: (id: string) => http.get<AuditEntry>(`/audit/entries/${id}`),
  days: (query: AuditQuery) => http.get<AuditDay[]>("/audit/days", query),
  exportCsv: (query: AuditQuery, name: string) => http.download("/audit/export", query, name),
  patients: (q: string) => http.get<FoundPatient[]>("/audit/patients", { q }),
  integrity: () => http.get<Integrity>("/audit/integrity"),
  check: () => http.post<IntegrityCheck>("/audit/integrity/checks"),
  explain: (id: string, words: string) =>
    http.post<IntegrityFinding>(`/audit/integrity/findings/${id}/explanation`, { words }),
};
