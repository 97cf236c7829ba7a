import type { Problem } from "@/api/problem";
import type { Role } from "@/api/types";
import { isInside, isWork, type Kept, type Kind, type Wanted } from "./api";

/** What is being written, with the names that the page shows. */
export interface Form extends Wanted {
  /** When it is to appear; empty: at once. */
  at: string | null;
}

export const STAFF: readonly Role[] = [
  "doctor",
  "nurse",
  "pharmacist",
  "administrator",
  "supervisor",
  "operator",
  "customer_service",
];

export function emptyForm(): Form {
  return {
    kind: "internal",
    title: "",
    text: "",
    cover_id: null,
    file_ids: [],
    roles: ["doctor", "nurse", "pharmacist"],
    department_ids: [],
    people: [],
    pinned: false,
    confirm: false,
    starts_at: null,
    ends_at: null,
    place: "",
    remind_minutes: null,
    until: null,
    at: null,
  };
}

/** A moment of the server as the pickers write it: without parts of a second. */
const moment = (at: string | null): string | null =>
  at ? new Date(at).toISOString().replace(/\.\d+Z$/, "Z") : null;

export function formOf(row: Kept): Form {
  return {
    kind: row.kind,
    title: row.title,
    text: row.text,
    cover_id: row.cover?.id ?? null,
    file_ids: row.files.map((one) => one.id),
    roles: [...row.roles],
    department_ids: [...row.department_ids],
    people: row.people.map((one) => one.user_id),
    pinned: row.pinned,
    confirm: row.confirm,
    starts_at: moment(row.starts_at),
    ends_at: moment(row.ends_at),
    place: row.place,
    remind_minutes: row.remind_minutes,
    until: moment(row.until),
    at: null,
  };
}

/** What is sent: without what does not belong to the kind. */
export function wantedOf(form: Form): Wanted {
  const wanted: Wanted & { at?: string | null } = { ...form };
  delete wanted.at;
  const work = isWork(form.kind);
  const inside = isInside(form.kind);
  const roles = inside ? form.roles.filter((role) => role !== "patient") : form.roles;
  return {
    ...wanted,
    title: form.title.trim(),
    roles,
    department_ids: roles.some((role) => role !== "patient") ? form.department_ids : [],
    confirm: inside && form.confirm,
    starts_at: work ? form.starts_at : null,
    ends_at: work ? form.ends_at : null,
    place: work ? form.place.trim() : "",
    remind_minutes: work ? form.remind_minutes : null,
  };
}

/** What is missing before it can be saved, beside the field that it concerns. */
export function faultsOf(form: Form): Record<string, string> {
  const wanted = wantedOf(form);
  const faults: Record<string, string> = {};
  if (!wanted.title) faults["title"] = "请填写标题";
  if (!wanted.roles.length && !wanted.people.length) faults["roles"] = "请选择公告对象";
  if (isWork(form.kind)) {
    if (!wanted.starts_at) faults["starts_at"] = "请填写开始时间";
    if (!wanted.place) faults["place"] = "请填写地点";
    const { starts_at: start, ends_at: end } = wanted;
    if (start && end && Date.parse(end) <= Date.parse(start))
      faults["ends_at"] = "结束时间应晚于开始时间";
  }
  return faults;
}

export function faultsFrom(problem: Problem): Record<string, string> {
  return Object.fromEntries(problem.fields.map((each) => [each.field, each.message]));
}

/** What is public is for patients before all. */
export const rolesFor = (kind: Kind, roles: Role[]): Role[] =>
  kind === "public" && !roles.includes("patient") ? ["patient", ...roles] : roles;
