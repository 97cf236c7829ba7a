import type { Duty } from "@/api/accounts";
import type { Role } from "@/api/types";

/** Roles that belong to a department. */
const IN_DEPARTMENT: Role[] = ["doctor", "nurse", "pharmacist"];

export const hasDepartment = (role: Role): boolean => IN_DEPARTMENT.includes(role);

/** What is wrong with the chosen duties, in words for beside the field; null when nothing is. */
export function dutiesProblem(duties: Duty[]): string | null {
  if (!duties.length) return "请至少选择一个身份";
  for (const duty of duties) {
    if (hasDepartment(duty.role) && !duty.department_id) return "医生、护士和药师须选择科室";
  }
  const places = duties.map((duty) => `${duty.role} ${duty.department_id ?? ""}`);
  return new Set(places).size === places.length ? null : "同一身份和科室重复了";
}

export const phoneProblem = (phone: string): string | null =>
  /^1[3-9]\d{9}$/.test(phone.trim()) ? null : "请填写 11 位手机号码";

export const nameProblem = (name: string): string | null =>
  name.trim().length >= 2 ? null : "请填写姓名，至少两个字";

/** An empty login name is allowed: the telephone number opens the account as well. */
export const loginProblem = (login: string): string | null =>
  !login.trim() || /^[a-z][a-z0-9._-]{2,31}$/i.test(login.trim())
    ? null
    : "以字母开头，3 到 32 位字母、数字或 . _ -";
