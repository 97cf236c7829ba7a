import type { Setting, SettingValue } from "@/api/types";

export const SCOPES = {
  group: "集团",
  hospital: "本院",
  department: "科室",
  person: "个人",
} as const;

/** The area of a setting is what stands before the first dot of its key. */
const AREAS: Record<string, string> = {
  consultation: "问诊",
  room: "诊间",
  rooms: "诊间",
  realtime: "诊间",
  call: "音视频通话",
  calls: "音视频通话",
  recording: "录制",
  payments: "支付与退款",
  payment: "支付与退款",
  people: "就诊人与医务人员",
  rating: "评价",
  identity: "账号与登录",
  accounts: "账号与登录",
  files: "附件",
  hospital: "医院",
};

export function areaOf(key: string): string {
  return AREAS[key.split(".")[0] ?? ""] ?? "其他";
}

export function show(setting: Setting, value: SettingValue | null): string {
  if (value === null) return "沿用上级";
  switch (setting.type) {
    case "boolean":
      return value ? "是" : "否";
    case "money":
      return `¥${(Number(value) / 100).toFixed(2)}`;
    case "choice":
      return setting.choices?.find((choice) => choice.value === value)?.label ?? String(value);
    default:
      return `${value}${setting.unit ? ` ${setting.unit}` : ""}`;
  }
}
