import { http } from "@/api/http";

/** Where somebody stands with signing; the server says what to do next. */
export type Standing =
  "no_image" | "no_pin" | "requested" | "ready" | "suspended" | "revoked" | "expired";

export interface SignatureMark {
  signature_id: string;
  signer_name: string;
  signed_at: string;
  version: number;
  image_url: string | null;
  timestamped: boolean;
  /** False when a later version of the document waits for its signature. */
  current: boolean;
}

export interface SignatureImage {
  version: number;
  file_id: string;
  created_at: string;
  replaced_at: string | null;
}

export interface Certificate {
  state: "requested" | "active" | "superseded" | "revoked" | "refused";
  serial: string | null;
  issuer: string | null;
  subject: string | null;
  not_before: string | null;
  not_after: string | null;
  revoke_reason: string | null;
}

export interface OwnSignature {
  standing: Standing;
  standing_text: string;
  next_step: string;
  image: SignatureImage | null;
  images: SignatureImage[];
  certificate: Certificate | null;
  pin_length: number;
  pin_set: boolean;
  real_name_needed: boolean;
  pin_locked_until: string | null;
  session: { expires_at: string; signatures: number } | null;
  session_minutes: number | null;
  waiting: number;
  capture_url: string;
}

export interface DocumentRef {
  document_type: string;
  document_id: string;
}

export interface SigningTask extends DocumentRef {
  label: string;
  subject: string;
  version: number;
  since: string;
}

export interface Line {
  name: string;
  label: string;
  value: string;
}

export interface ShownDocument extends DocumentRef {
  title: string;
  fields: Line[];
  digest: string;
  signable: boolean;
  signature: SignatureMark | null;
}

export interface Confirmation {
  id: string;
  token: string;
  expires_at: string;
  single: boolean;
}

export interface ChainLink {
  subject: string;
  issuer: string;
  serial: string;
  not_before: string;
  not_after: string;
}

export interface Finding {
  name: string;
  label: string;
  answer: "yes" | "no" | "unknown";
  text: string;
}

export type Verdict = "valid" | "changed" | "doubtful" | "invalid";

export interface Verification extends DocumentRef {
  signature_id: string;
  verdict: Verdict;
  verdict_text: string;
  title: string;
  version: number;
  current: boolean;
  kind: "person" | "seal";
  signer_name: string;
  signed_at: string;
  digest: string;
  algorithm: string;
  image_url: string | null;
  timestamp_at: string | null;
  timestamp_authority: string | null;
  chain: ChainLink[];
  findings: Finding[];
  fields: Line[];
  changes: { name: string; label: string; signed: string | null; present: string | null }[];
  versions: SignatureMark[];
  verify_url: string;
  checked_at: string;
}

export interface CheckedFile {
  verdict: Verdict;
  verdict_text: string;
  signer: string;
  signed_at: string | null;
  digest: string;
  chain: ChainLink[];
  findings: Finding[];
  content: string | null;
  signature_id: string | null;
}

export interface SignerRow {
  id: string;
  user_id: string;
  name: string;
  standing: Standing;
  standing_text: string;
  certificate: Certificate | null;
  suspended_reason: string | null;
  signatures: number;
  waiting: number;
}

export interface UsageLine {
  used: number;
  limit: number;
  percent: number;
  level: "ok" | "near" | "over";
}

export interface Usage {
  year: number;
  certificates: UsageLine;
  signatures: UsageLine;
  by_type: Record<string, number>;
  seal: Certificate | null;
  unfinished_requests: number;
}

export const signing = {
  me: () => http.get<OwnSignature>("/signing/me"),
  keepImage: (file_id: string) => http.put<OwnSignature>("/signing/me/image", { file_id }),
  setPin: (pin: string, repeated: string) =>
    http.put<OwnSignature>("/signing/me/pin", { pin, repeated }),
  changePin: (old: string, pin: string, repeated: string) =>
    http.patch<OwnSignature>("/signing/me/pin", { old, pin, repeated }),
  sendCode: () => http.post<{ phone: string; resend_seconds: number }>("/signing/me/pin-codes"),
  resetPin: (code: string, pin: string, repeated: string) =>
    http.put<OwnSignature>("/signing/me/pin-reset", { code, pin, repeated }),
  revoke: () => http.put<OwnSignature>("/signing/me/revocation", {}),

  tasks: () => http.get<SigningTask[]>("/signing/tasks"),
  document: (ref: DocumentRef) =>
    http.get<ShownDocument>(`/signing/documents/${ref.document_type}/${ref.document_id}`),
  signatures: (ref: DocumentRef) =>
    http.get<SignatureMark[]>(
      `/signing/documents/${ref.document_type}/${ref.document_id}/signatures`,
    ),
  /** With a shown document for that one, without for a signing session. */
  confirm: (pin: string, shown: ShownDocument | null) =>
    http.post<Confirmation>("/signing/confirmations", {
      pin,
      ...(shown
        ? {
            document_type: shown.document_type,
            document_id: shown.document_id,
            digest: shown.digest,
          }
        : {}),
    }),
  sign: (shown: ShownDocument, confirmation: Pick<Confirmation, "id" | "token">) =>
    http.post<SignatureMark>("/signing/signatures", {
      document_type: shown.document_type,
      document_id: shown.document_id,
      digest: shown.digest,
      confirmation_id: confirmation.id,
      confirmation_token: confirmation.token,
    }),
  endSession: () => http.delete<void>("/signing/session"),

  verify: (id: string) => http.get<Verification>(`/signing/signatures/${id}`),
  download: (id: string, content: boolean) =>
    http.download(
      `/signing/signatures/${id}/file`,
      content ? { content: true } : {},
      content ? `${id}.json` : `${id}.p7s`,
    ),
  check: (cms: string, content: string | null) =>
    http.post<CheckedFile>("/signing/checks", { cms, content }),

  signers: () => http.get<SignerRow[]>("/signing/signers"),
  usage: () => http.get<Usage>("/signing/usage"),
  suspend: (id: string, reason: string) =>
    http.put<void>(`/signing/signers/${id}/suspension`, { reason }),
  resume: (id: string) => http.delete<void>(`/signing/signers/${id}/suspension`),
  revokeSigner: (id: string, kind: string, reason: string) =>
    http.put<void>(`/signing/signers/${id}/revocation`, { kind, reason }),
};
