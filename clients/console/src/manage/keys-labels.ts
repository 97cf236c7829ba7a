import type { KeyPurpose, KeyRun, KeyStage, KeyWarning } from "@/api/keys";

export const PURPOSES: Record<KeyPurpose, string> = {
  data: "数据加密",
  file: "文件加密",
  row: "记录完整性",
  index: "检索索引",
  ticket: "文件链接",
  token: "登录令牌",
};

export const STAGES: Record<KeyStage, { text: string; type: "primary" | "warning" | "info" }> = {
  published: { text: "待启用", type: "warning" },
  current: { text: "使用中", type: "primary" },
  retired: { text: "仅解密", type: "info" },
  destroyed: { text: "已销毁", type: "info" },
};

export interface WarningText {
  title: string;
  /** What to do; commands are for whoever runs the machines. */
  remedy: string;
  grave: boolean;
}

export const WARNINGS: Record<KeyWarning, WarningText> = {
  no_backup: {
    title: "密钥还没有备份",
    remedy: "密钥丢失后数据无法恢复。请运维人员运行 zhenjian keys backup，把份额分给各保管人。",
    grave: true,
  },
  keys_uncovered: {
    title: "有密钥不在最近的备份中",
    remedy: "请运维人员运行 zhenjian keys backup 重新备份。",
    grave: true,
  },
  backup_old: {
    title: "距上次密钥备份已超过期限",
    remedy: "请运维人员运行 zhenjian keys backup，并确认各保管人的份额仍在。",
    grave: false,
  },
  no_drill: {
    title: "还没有做过恢复演练",
    remedy: "请保管人带上份额，由运维人员运行 zhenjian keys drill。演练不改动任何数据。",
    grave: false,
  },
  drill_old: {
    title: "距上次恢复演练已超过期限",
    remedy: "请保管人带上份额，由运维人员运行 zhenjian keys drill。",
    grave: false,
  },
  drill_failed: {
    title: "上次恢复演练没有通过",
    remedy: "请按演练结果排查，必要时重新备份后再演练。",
    grave: true,
  },
  kek_old: {
    title: "主密钥使用时间已超过期限",
    remedy: "请运维人员运行 zhenjian keys rotate --kek，立即完成，不影响使用。",
    grave: false,
  },
  old_key_file: {
    title: "旧密钥文件仍在服务器上",
    remedy: "确认系统运行正常后，请运维人员运行 zhenjian keys confirm 删除。",
    grave: false,
  },
  converting: {
    title: "正在加密早期保存的文件",
    remedy: "后台进行中，完成前这些文件照常可用。",
    grave: false,
  },
  run_with_failures: {
    title: "上次重新加密有未完成的内容",
    remedy: "这些内容仍用旧密钥，可以正常读取。原因见服务器日志。",
    grave: false,
  },
};

const TABLES: Record<string, string> = {
  alarms: "报警",
  audit_entries: "审计日志",
  call_participants: "通话成员",
  certifications: "资格证书",
  clinicians: "医护信息",
  closing_note_versions: "小结历史版本",
  consent_records: "知情同意",
  consultations: "问诊",
  document_signatures: "文书签名",
  emergency_accesses: "紧急访问",
  external_identities: "外部账号",
  files: "附件名称",
  idempotency_keys: "重复请求记录",
  inbox_items: "站内消息",
  integrity_findings: "完整性核验结果",
  key_backups: "密钥备份",
  legal_holds: "法律保全",
  login_attempts: "登录记录",
  patient_relations: "就诊人关系",
  patients: "患者",
  profile_submissions: "资料提交",
  ratings: "评价",
  rights_requests: "个人信息请求",
  rights_steps: "个人信息请求进度",
  room_messages: "诊间消息",
  room_participants: "诊间成员",
  rooms: "诊间",
  server_keys: "服务器签名密钥",
  signature_applications: "签名接入系统",
  signing_confirmations: "签名确认",
  signing_keys: "个人签名密钥",
  staff_certificates: "人员证书",
  staff_profiles: "执业资料",
  "stored files": "附件与录像文件",
  totp_factors: "验证器",
  users: "账号",
};

export const targetText = (target: string): string => TABLES[target] ?? target;

export function runTitle(run: KeyRun): string {
  if (run.kind === "convert") return "加密早期文件";
  return run.hospital ? `更换${run.hospital}的数据密钥` : "更换数据密钥";
}

/** What is happening now, for the line under the bar. */
export function runText(run: KeyRun, now: number): string {
  if (run.state === "cancelled") return "已取消";
  if (run.state === "done") {
    const changed = run.parts.reduce((sum, part) => sum + part.changed, 0);
    return `已完成，重新加密 ${changed} 项${run.failed ? `，${run.failed} 项未完成` : ""}`;
  }
  if (new Date(run.begin_at).getTime() > now) return "新密钥正在下发，稍后开始重新加密";
  const part = run.parts.find((one) => !one.finished);
  return part ? `正在处理：${targetText(part.target)}` : "正在收尾";
}
