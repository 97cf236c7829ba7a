import type { Period, Profile } from "@/api/profiles";
import { MEDICATION_FIELDS } from "@/support/labels";

export const emptyProfile = (): Profile => ({
  sex: "female",
  practice_start: "",
  contact_phone: null,
  email: null,
  expertise: "",
  introduction: "",
  medication_fields: [],
  education: [],
  work: [],
});

const copyOf = (periods: Period[]): Period[] => periods.map((period) => ({ ...period }));

/** A copy to type into: a deep one, so that what is in force stays as it is. */
export function draftOf(profile: Profile | null): Profile {
  if (!profile) return emptyProfile();
  return {
    ...profile,
    medication_fields: [...(profile.medication_fields ?? [])],
    education: copyOf(profile.education),
    work: copyOf(profile.work),
  };
}

/** Empty texts become nothing, as the server takes them. */
export function handedIn(draft: Profile): Profile {
  const orNothing = (text: string | null) => text?.trim() || null;
  const periods = (list: Period[]) =>
    list.map((period) => ({ ...period, until: orNothing(period.until) }));
  return {
    ...draft,
    contact_phone: orNothing(draft.contact_phone),
    email: orNothing(draft.email),
    education: periods(draft.education),
    work: periods(draft.work),
  };
}

/** What is wrong, by field (`work.0.since`), in words for beside it. */
export function profileProblems(draft: Profile, today: string): Record<string, string> {
  const found: Record<string, string> = {};
  if (!draft.practice_start) found["practice_start"] = "请选择从业时间";
  else if (draft.practice_start > today) found["practice_start"] = "从业时间不能晚于今天";
  if (draft.email?.trim() && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(draft.email.trim())) {
    found["email"] = "邮箱格式不正确";
  }
  if (draft.contact_phone?.trim() && !/^[0-9+\-() ]{5,20}$/.test(draft.contact_phone.trim())) {
    found["contact_phone"] = "电话只能包含数字、空格和 + - ( )";
  }
  for (const name of ["education", "work"] as const) {
    draft[name].forEach((period, at) => {
      const problem = periodProblem(period);
      if (problem) found[`${name}.${at}`] = problem;
    });
  }
  return found;
}

function periodProblem(period: Period): string | null {
  if (!period.place.trim() || !period.role.trim() || !period.since) return "请填写完整";
  return period.until && period.until < period.since ? "结束时间早于开始时间" : null;
}

export interface Difference {
  label: string;
  before: string;
  after: string;
}

const LABELS: [keyof Profile, string][] = [
  ["sex", "性别"],
  ["practice_start", "从业时间"],
  ["contact_phone", "办公电话"],
  ["email", "邮箱"],
  ["expertise", "擅长"],
  ["introduction", "简介"],
  ["medication_fields", "用药分类"],
  ["education", "教育经历"],
  ["work", "工作经历"],
];

const period = (each: Period) =>
  `${each.since} 至 ${each.until ?? "今"}　${each.place}　${each.role}`;

export function textOf(profile: Profile | null, field: keyof Profile): string {
  if (!profile) return "";
  const value = profile[field];
  if (field === "medication_fields") {
    return (profile.medication_fields ?? []).map((one) => MEDICATION_FIELDS[one] ?? one).join("、");
  }
  if (Array.isArray(value)) return (value as Period[]).map(period).join("\n");
  if (field === "sex") return value === "male" ? "男" : "女";
  return (value as string | null) ?? "";
}

/** Every field with its text before and after, for the reviewer. */
export function differences(before: Profile | null, after: Profile): Difference[] {
  return LABELS.map(([field, label]) => ({
    label,
    before: textOf(before, field),
    after: textOf(after, field),
  }));
}
