import type { Cell, Matrix, Policy, ResourceEntry, Scope } from "@/access/api";

export const SCOPES: Record<Scope, string> = {
  none: "无",
  own: "本人的",
  rooms: "本人所在诊间",
  patients: "本人的患者",
  department: "本科室",
  hospital: "本院",
  group: "全集团",
};

export const SOURCES: Record<Cell["source"], string> = {
  default: "默认",
  group: "集团设定",
  hospital: "本院设定",
  role: "岗位角色设定",
};

export const CATEGORIES: Record<string, string> = {
  life_threat: "危及生命的抢救",
  handover: "原接诊人员无法联系",
  drug_reaction: "用药不良反应处置",
  public_health: "突发公共卫生事件",
  other: "其他紧急情况",
};

const listed = (titles: string[]): string => titles.join("、");

/** 范围、筛选、遮盖 in one short line, for the cells and the diffs. */
export function policyLine(policy: Policy | null, resource?: ResourceEntry): string {
  if (!policy) return "按默认";
  if (policy.scope === "none") return "无权限";
  const parts = [SCOPES[policy.scope]];
  const filters = policy.filters.map(
    (key) => resource?.filters.find((one) => one.value === key)?.label ?? key,
  );
  if (filters.length) parts.push(listed(filters));
  const title = (path: string) => resource?.fields.find((one) => one.path === path)?.title ?? path;
  if (policy.hidden.length) parts.push(`隐藏${listed(policy.hidden.map(title))}`);
  if (policy.masked.length) parts.push(`遮盖${listed(policy.masked.map(title))}`);
  return parts.join("；");
}

/** The same as a sentence: 医生可以“查看”本人的患者的问诊，看不到附件。 */
export function sentence(role: string, action: string, resource: ResourceEntry, policy: Policy) {
  if (policy.scope === "none") return `${role}不能“${action}”${resource.title}`;
  const title = (path: string) => resource.fields.find((one) => one.path === path)?.title ?? path;
  const whose = policy.scope === "own" ? "自己的" : `${SCOPES[policy.scope]}的`;
  const filters = policy.filters.map(
    (key) => resource.filters.find((one) => one.value === key)?.label ?? key,
  );
  const parts = [`${role}可以“${action}”${whose}${resource.title}`];
  if (filters.length) parts.push(`限于${listed(filters)}`);
  if (policy.hidden.length) parts.push(`看不到${listed(policy.hidden.map(title))}`);
  if (policy.masked.length) parts.push(`${listed(policy.masked.map(title))}部分遮盖`);
  return parts.join("，");
}

export const cellKey = (cell: {
  role: string;
  role_id: string | null;
  resource: string;
  action: string;
}): string => [cell.role, cell.role_id ?? "", cell.resource, cell.action].join("|");

export function samePolicy(one: Policy, other: Policy): boolean {
  const same = (left: string[], right: string[]) =>
    left.length === right.length && [...left].sort().join() === [...right].sort().join();
  return (
    one.scope === other.scope &&
    same(one.filters, other.filters) &&
    same(one.hidden, other.hidden) &&
    same(one.masked, other.masked)
  );
}

/** Resources whose title, actions or fields contain the words, in the order of the matrix. */
export function matching(found: Matrix, words: string): ResourceEntry[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return found.resources;
  return found.resources.filter((one) =>
    [one.title, one.area, one.key, ...one.actions.map((action) => action.title)]
      .concat(one.fields.map((field) => field.title))
      .some((text) => text.toLowerCase().includes(wanted)),
  );
}
