import { http } from "@/api/http";

export type FactorMethod = "totp" | "sms" | "password" | "recovery" | "enrol_totp";

export interface SecondFactor {
  /** Nothing else is open until a factor was proved. */
  pending: boolean;
  proved_at: string | null;
  /** The best first. */
  methods: FactorMethod[];
  phone_masked: string | null;
  totp_since: string | null;
  recovery_codes_left: number;
}

export interface Enrolment {
  manual_key: string;
  uri: string;
  /** A drawing of `uri`. */
  qr_svg: string;
}

export interface LoginLock {
  user_id: string;
  name: string;
  failures: number;
  until: string;
}

const FACTOR = "/auth/second-factor";

export const security = {
  factor: () => http.get<SecondFactor>(FACTOR),
  prove: (method: FactorMethod, code: string) => http.post<SecondFactor>(FACTOR, { method, code }),
  sendCode: () => http.post<{ retry_after: number }>(`${FACTOR}/sms-codes`),
  beginTotp: () => http.post<Enrolment>(`${FACTOR}/totp`),
  confirmTotp: (code: string) =>
    http.post<{ recovery_codes: string[] }>(`${FACTOR}/totp/confirm`, { code }),
  removeTotp: () => http.delete<void>(`${FACTOR}/totp`),
  renewRecoveryCodes: () => http.post<{ recovery_codes: string[] }>(`${FACTOR}/recovery-codes`),
  stay: () => http.post<void>("/auth/activity"),
};
