import type { Role } from "@zhenjian/realtime";
import { http } from "@/api/http";
import type { Page } from "@/api/types";

export type Scope = "none" | "own" | "rooms" | "patients" | "department" | "hospital" | "group";

export interface Person {
  id: string;
  name: string;
}
export interface Choice {
  value: string;
  label: string;
}
/** A base role, or an own role (`id`) derived from it. */
export interface RoleRef {
  role: Role;
  id: string | null;
  name: string;
}

// ---- the caller --------------------------------------------------------------------------------

export interface Mine {
  pages: string[] | null;
  permissions: Record<string, Scope>;
}
export interface Standing {
  permission: string;
  title: string;
  held: boolean;
  until: string | null;
}
export type PermitState = "pending" | "granted" | "refused" | "withdrawn" | "revoked" | "expired";
export interface Permit {
  id: string;
  user: Person;
  role: Role;
  permission: string;
  title: string;
  reason: string;
  days: number;
  asked_at: string;
  state: PermitState;
  decided_by: Person | null;
  decided_at: string | null;
  note: string;
  starts_at: string | null;
  ends_at: string | null;
}

// ---- the matrix --------------------------------------------------------------------------------

export interface Policy {
  scope: Scope;
  filters: string[];
  hidden: string[];
  masked: string[];
}
export interface ActionEntry {
  key: string;
  title: string;
  roles: Role[];
  delegable: boolean;
  on_request: boolean;
}
export interface ResourceEntry {
  key: string;
  title: string;
  area: string;
  actions: ActionEntry[];
  fields: { path: string; title: string; maskable: boolean }[];
  filters: Choice[];
}
export interface Cell {
  role: Role;
  role_id: string | null;
  resource: string;
  action: string;
  policy: Policy;
  standard: Policy;
  source: "default" | "group" | "hospital" | "role";
  scopes: Scope[];
  fixed: boolean;
  changed: boolean;
  pending: boolean;
}
export interface Matrix {
  scopes: Choice[];
  roles: RoleRef[];
  resources: ResourceEntry[];
  cells: Cell[];
  may_propose: boolean;
  may_confirm: boolean;
}
export interface WantedCell {
  role: Role;
  role_id: string | null;
  resource: string;
  action: string;
  policy: Policy | null;
}
export interface ChangeItem {
  role: RoleRef;
  resource: string;
  resource_title: string;
  action: string;
  action_title: string;
  before: Policy | null;
  after: Policy | null;
}
export interface Change {
  id: string;
  state: "pending" | "confirmed" | "refused" | "withdrawn" | "expired";
  reason: string;
  requested_by: Person;
  requested_at: string;
  expires_at: string;
  decided_by: Person | null;
  decided_at: string | null;
  note: string;
  items: ChangeItem[];
  mine: boolean;
}

// ---- roles, delegations, break-glass, alarms ---------------------------------------------------

export interface OwnRole {
  id: string;
  base: Role;
  name: string;
  description: string;
  own: boolean;
  holders: number;
  policies: number;
  changed_at: string;
}
export interface Menu {
  role: Role;
  role_id: string | null;
  pages: string[];
}
export interface StaffRole {
  user: Person;
  role: Role;
  department: string | null;
  access_role: RoleRef | null;
}
export interface DelegationOptions {
  receivers: (Person & { department: string })[];
  actions: Choice[];
  most_days: number;
}
export interface Delegation {
  id: string;
  giver: Person;
  receiver: Person;
  department: string;
  role: Role;
  actions: Choice[];
  reason: string;
  starts_at: string;
  ends_at: string;
  state: "coming" | "running" | "over" | "ended";
  ended_by: Person | null;
}
export interface FoundPatient {
  id: string;
  name_masked: string;
  sex: string;
  age_text: string;
}
export interface Emergency {
  id: string;
  user: Person;
  role: Role;
  patient_id: string;
  patient: string;
  category: string;
  category_title: string;
  reason: string;
  opened_at: string;
  ends_at: string;
  closed_at: string | null;
  open: boolean;
  looks: number;
  verdict: "justified" | "unjustified" | null;
  reviewed_by: Person | null;
  reviewed_at: string | null;
  note: string | null;
}
export interface Alarm {
  id: string;
  kind: string;
  title: string;
  text: string;
  ref_type: string | null;
  ref_id: string | null;
  state: "open" | "acknowledged" | "resolved";
  times: number;
  raised_at: string;
  last_at: string;
  acknowledged_at: string | null;
  acknowledged_by: Person | null;
  resolved_at: string | null;
  resolved_by: Person | null;
  resolution: string | null;
}

type Cursor = { cursor?: string | null };
const post = http.post;

export const own = {
  mine: () => http.get<Mine>("/me/menus"),
  permissions: () => http.get<{ standings: Standing[]; applications: Permit[] }>("/me/permissions"),
  ask: (body: { permission: string; reason: string; days: number }) =>
    post<Permit>("/me/permissions/applications", body),
  withdraw: (id: string) => post<Permit>(`/me/permissions/applications/${id}/withdraw`),
};

export const matrix = {
  show: () => http.get<Matrix>("/access/matrix"),
  changes: (filter: Cursor & { state?: string }) =>
    http.get<Page<Change>>("/access/changes", filter),
  propose: (reason: string, items: WantedCell[]) =>
    post<Change>("/access/changes", { reason, items }),
  confirm: (id: string, note: string) => post<Change>(`/access/changes/${id}/confirm`, { note }),
  refuse: (id: string, note: string) => post<Change>(`/access/changes/${id}/refuse`, { note }),
  withdraw: (id: string) => post<Change>(`/access/changes/${id}/withdraw`),
};

export const roles = {
  list: () => http.get<OwnRole[]>("/access/roles"),
  add: (body: { base: Role; name: string; description: string }) =>
    post<OwnRole>("/access/roles", body),
  edit: (id: string, body: { name: string; description: string }) =>
    http.put<OwnRole>(`/access/roles/${id}`, body),
  copy: (id: string, name: string) => post<OwnRole>(`/access/roles/${id}/copy`, { name }),
  remove: (id: string) => http.delete<void>(`/access/roles/${id}`),
  staff: (q: string) => http.get<StaffRole[]>("/access/staff", { q }),
  assign: (user: string, role: Role, role_id: string | null) =>
    http.put<void>(`/access/staff/${user}/role`, { role, role_id }),
  menus: () => http.get<Menu[]>("/access/menus"),
  setMenu: (role: Role, role_id: string | null, pages: string[] | null) =>
    http.put<void>("/access/menus", { role, role_id, pages }),
};

export const delegations = {
  list: (filter: Cursor & { everybody?: boolean }) =>
    http.get<Page<Delegation>>("/access/delegations", filter),
  options: () => http.get<DelegationOptions>("/access/delegations/options"),
  give: (body: {
    receiver_id: string;
    actions: string[];
    starts_at: string;
    ends_at: string;
    reason: string;
  }) => post<Delegation>("/access/delegations", body),
  end: (id: string) => post<Delegation>(`/access/delegations/${id}/end`),
};

export const permits = {
  list: (filter: Cursor & { state?: string }) => http.get<Page<Permit>>("/access/permits", filter),
  decide: (id: string, body: { granted: boolean; days?: number; note: string }) =>
    post<Permit>(`/access/permits/${id}/decide`, body),
  revoke: (id: string, note: string) => post<Permit>(`/access/permits/${id}/revoke`, { note }),
};

export const emergencies = {
  search: (body: { name: string; number: string }) =>
    post<FoundPatient>("/access/emergencies/search", body),
  open: (body: { name: string; number: string; category: string; reason: string }) =>
    post<Emergency>("/access/emergencies", body),
  mine: () => http.get<Emergency[]>("/access/emergencies/mine"),
  close: (id: string) => post<Emergency>(`/access/emergencies/${id}/close`),
  list: (filter: Cursor & { reviewed?: boolean | null }) =>
    http.get<Page<Emergency>>("/access/emergencies", filter),
  review: (id: string, justified: boolean, note: string) =>
    post<Emergency>(`/access/emergencies/${id}/review`, { justified, note }),
};

export const alarms = {
  list: (filter: Cursor & { resolved?: boolean | null }) =>
    http.get<Page<Alarm>>("/alarms", filter),
  count: () => http.get<{ open: number }>("/alarms/count"),
  acknowledge: (id: string) => post<Alarm>(`/alarms/${id}/acknowledge`),
  resolve: (id: string, note: string) => post<Alarm>(`/alarms/${id}/resolve`, { note }),
};
