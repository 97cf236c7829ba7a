import { http } from "@/api/http";
import type { Department, Page, Role, StaffMember } from "@/api/types";

export interface Duty {
  role: Role;
  department_id: string | null;
  title: string;
}

export interface DutyView extends Duty {
  department: string | null;
}

/** An account of staff as `GET /accounts/staff/{id}` shows it. */
export interface Account {
  user_id: string;
  name: string;
  login: string | null;
  phone_masked: string | null;
  has_password: boolean;
  enabled: boolean;
  created_at: string;
  last_login_at: string | null;
  devices: number;
  duties: DutyView[];
}

export interface AccountForm {
  name: string;
  phone: string;
  login: string | null;
  duties: Duty[];
}

export interface HospitalRef {
  id: string;
  name: string;
}

/** A patient's account; numbers are masked. */
export interface Holder {
  user_id: string;
  name: string;
  phone_masked: string | null;
  real_name_verified: boolean;
  enabled: boolean;
  persons: number;
  created_at: string;
}

export interface BoundPerson {
  relation_id: string;
  hospital: string;
  name: string;
  relation: string;
  id_number_masked: string | null;
  card_number_masked: string | null;
  verified: boolean;
  bound_at: string;
  unbound_at: string | null;
}

export interface HolderDetail extends Holder {
  bound: BoundPerson[];
}

export interface StaffFilter {
  q?: string;
  role?: string;
  department_id?: string;
  hospital_id?: string;
  cursor?: string | null;
}

const at = (path: string, hospital: string) =>
  `/accounts/staff${path}${hospital ? `?hospital_id=${hospital}` : ""}`;

/** `hospital` is empty for the own one; only an operator may name another. */
export const accounts = {
  hospitals: () => http.get<HospitalRef[]>("/accounts/hospitals"),
  departments: (hospital: string) =>
    http.get<Department[]>("/accounts/departments", { hospital_id: hospital }),
  list: (filter: StaffFilter) => http.get<Page<StaffMember>>("/staff", { ...filter }),
  show: (id: string, hospital: string) => http.get<Account>(at(`/${id}`, hospital)),
  hire: (form: AccountForm, hospital: string, key: string) =>
    http.post<Account>(at("", hospital), form, { idempotent: key }),
  edit: (id: string, change: Partial<AccountForm>, hospital: string) =>
    http.patch<Account>(at(`/${id}`, hospital), change),
  duties: (id: string, duties: Duty[], hospital: string) =>
    http.put<Account>(at(`/${id}/duties`, hospital), { duties }),
  enable: (id: string, enabled: boolean, reason: string, hospital: string) =>
    http.put<Account>(at(`/${id}/enabled`, hospital), { enabled, reason }),
  resetPassword: (id: string, hospital: string) =>
    http.post<Account>(at(`/${id}/password-reset`, hospital)),
  dismiss: (id: string, reason: string, hospital: string) =>
    http.post<void>(at(`/${id}/dismiss`, hospital), { reason }),
};

export const holders = {
  list: (filter: { q?: string; hospital_id?: string; cursor?: string | null }) =>
    http.get<Page<Holder>>("/account-holders", { ...filter }),
  show: (id: string) => http.get<HolderDetail>(`/account-holders/${id}`),
  unbind: (id: string, relation: string, reason: string) =>
    http.post<void>(`/account-holders/${id}/relations/${relation}/unbind`, { reason }),
};
