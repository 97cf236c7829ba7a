import { http } from "@/api/http";
import type { Page } from "@/api/types";

export type CertificateStanding = "good" | "not_yet" | "expired" | "revoked";
export type CertificatePurpose = "authority" | "signature" | "encryption" | "timestamp" | "ocsp";

export interface CertificateLine {
  id: string;
  common_name: string;
  subject: string;
  issuer: string;
  serial: string;
  algorithm: string | null;
  purposes: CertificatePurpose[];
  is_authority: boolean;
  trusted: boolean;
  origin: "imported" | "issued";
  note: string;
  not_before: string;
  not_after: string;
  standing: CertificateStanding;
  revoked_at: string | null;
  created_at: string;
}

export interface ChainLink {
  common_name: string;
  serial: string;
  algorithm: string | null;
  not_before: string;
  not_after: string;
  is_authority: boolean;
  fingerprint: string;
}

export interface Chain {
  at: string;
  ok: boolean;
  problems: string[];
  links: ChainLink[];
  revocation: "good" | "revoked" | "unknown" | "not_asked";
  revocation_source: string;
  revocation_as_of: string | null;
  revoked_at: string | null;
  revoke_reason: string | null;
}

export interface CertificateDetail extends CertificateLine {
  fingerprint: string;
  key_id: string | null;
  key_usage: string[];
  crl_urls: string[];
  ocsp_urls: string[];
  pem: string;
  checked_at: string | null;
  chain: Chain;
}

export interface RevocationList {
  url: string;
  entries: number;
  this_update: string | null;
  next_update: string | null;
  fetched_at: string | null;
  next_fetch_at: string;
  failures: number;
  last_error: string | null;
}

export type Operation = "sign" | "verify" | "find_certificates" | "verify_certificate";
export type Format = "raw" | "cms_attached" | "cms_detached";
export type Revoking = "none" | "crl" | "ocsp" | "ocsp_then_crl";

export interface Policy {
  name: string;
  enabled: boolean;
  proof: "secret" | "certificate";
  certificate_id: string | null;
  server_key_id: string | null;
  /** Absent: all of the hospital's. */
  anchors: string[] | null;
  revoking: Revoking;
  hard: boolean;
  operations: Operation[];
  formats: Format[];
  addresses: string[];
  per_minute: number;
}

export interface Application extends Policy {
  id: string;
  code: string;
  created_at: string;
  changed_at: string;
  secret_at: string | null;
}

export interface ServerKey {
  id: string;
  label: string;
  algorithm: string;
  provider: string;
  state: "requested" | "active" | "refused" | "retired";
  serial: string | null;
  not_before: string | null;
  not_after: string | null;
  last_error: string | null;
  created_at: string;
}

export interface LogLine {
  id: string;
  at: string;
  application_id: string;
  application_name: string;
  format: Format;
  algorithm: string;
  digest: string;
  certificate_serial: string;
  reference: string;
  address: string;
}

export interface DayCount {
  day: string;
  applications: number;
  people: number;
}

export type Level = "ok" | "near" | "over";

export interface LicenceUse {
  year: number;
  signatures: number;
  signatures_limit: number;
  signatures_level: Level;
  certificates: number;
  certificates_limit: number;
  certificates_level: Level;
  days: DayCount[];
  service_enabled: boolean;
}

type Query = Record<string, string | boolean | null | undefined>;
type WithSecret = Application & { secret: string | null };

export const store = {
  list: (query: Query) => http.get<Page<CertificateLine>>("/certificates", query),
  show: (id: string) => http.get<CertificateDetail>(`/certificates/${id}`),
  bring: (body: { content: string; password: string | null; trusted: boolean; note: string }) =>
    http.post<CertificateLine[]>("/certificates/import", body),
  change: (id: string, trusted: boolean, note: string) =>
    http.put<CertificateLine>(`/certificates/${id}`, { trusted, note }),
  remove: (id: string) => http.delete<void>(`/certificates/${id}`),
  download: (id: string, name: string) =>
    http.download(`/certificates/${id}/file`, {}, `${name}.pem`),
  lists: () => http.get<RevocationList[]>("/certificates/lists"),
  refresh: () => http.post<RevocationList[]>("/certificates/lists/refresh"),
};

export const service = {
  applications: () => http.get<Application[]>("/signature-applications"),
  create: (policy: Policy, key: string) =>
    http.post<WithSecret>("/signature-applications", policy, { idempotent: key }),
  change: (id: string, policy: Policy) =>
    http.put<WithSecret>(`/signature-applications/${id}`, policy),
  newSecret: (id: string) => http.post<{ secret: string }>(`/signature-applications/${id}/secret`),
  open: (enabled: boolean) => http.put<{ enabled: boolean }>("/signature-service", { enabled }),
  keys: () => http.get<ServerKey[]>("/signature-server-keys"),
  makeKey: (label: string, algorithm: string) =>
    http.post<ServerKey>("/signature-server-keys", { label, algorithm }),
  retireKey: (id: string) => http.post<ServerKey>(`/signature-server-keys/${id}/retire`),
  log: (query: Query) => http.get<Page<LogLine>>("/signature-log", query),
  exportLog: (query: Query, name: string) => http.download("/signature-log/export", query, name),
  use: (days: number) => http.get<LicenceUse>("/signature-log/use", { days }),
};
