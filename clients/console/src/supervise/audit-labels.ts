import type { AuditCategory } from "@/api/audit";

/** What the audit's names mean; a name that is not here is shown as it is. */
export const CATEGORIES: Record<AuditCategory, string> = {
  login: "登录",
  look: "查看",
  change: "修改",
  export: "导出",
  maintenance: "维护",
  security: "安全",
};

export const ACTIONS: Record<string, string> = {
  "account.close": "注销账号",
  "account_holder.look": "查看用户",
  "agreement.accept": "同意协议",
  "alarm.acknowledge": "受理告警",
  "alarm.resolve": "处理告警",
  "audit.export": "导出审计日志",
  "audit.look": "查看审计日志",
  "certificate.approve": "通过资质审核",
  "certificate.change": "修改资质",
  "certificate.import": "导入证书",
  "certificate.reject": "退回资质审核",
  "certificate.submit": "提交资质",
  "consent.give": "同意",
  "consent.look": "查看同意书",
  "consent.withdraw": "撤回同意",
  "consent_text.draft": "起草同意书",
  "consent_text.drop": "作废同意书草稿",
  "consent_text.publish": "发布同意书",
  "consultation.accept": "接诊",
  "consultation.amend_note": "修改小结",
  "consultation.decline": "拒诊",
  "consultation.end": "结束问诊",
  "consultation.export": "导出问诊",
  "consultation.look": "查看问诊",
  "consultation.refund": "退诊",
  "data_copy.link": "领取个人信息副本",
  "file.look": "查看附件",
  "history.look": "查看既往问诊",
  "integrity.check": "核验完整性",
  "integrity.explain": "说明核验发现",
  "integrity.find": "核验发现异常",
  "integrity.restart_anchors": "重新开始锚定",
  "legal_hold.lift": "解除保全",
  "legal_hold.place": "设置保全",
  "login.accept": "登录成功",
  "login.refuse": "登录被拒",
  "login.unlock": "解除登录锁定",
  "order.look": "查看订单",
  "order.refund": "退款",
  "order.unexpected_payment": "意外到账",
  "outbox.retry": "重试事件",
  "patient.bind": "添加就诊人",
  "patient.edit": "修改就诊人",
  "patient.look": "查找就诊人",
  "patient.unbind": "解绑就诊人",
  "recording.look": "查看录像",
  "rights.access": "查阅个人信息",
  "rights.export": "导出个人信息",
  "rights_request.look": "查看权利申请",
  "role.assign": "授予身份",
  "role.remove": "收回身份",
  "room.look": "查看聊天记录",
  "second_factor.enrol": "绑定验证器",
  "second_factor.prove": "二次验证",
  "second_factor.remove": "解绑验证器",
  "second_factor.reset": "重置二次验证",
  "session.revoke": "撤销登录设备",
  "session.switch_role": "切换身份",
  "setting.change": "修改设置",
  "signature.pin_change": "修改签名口令",
  "signature.pin_wrong": "签名口令错误",
  "signature.sign": "签名",
  "staff.dismiss": "解除任职",
  "staff.edit": "修改职工",
  "staff.hire": "录入职工",
  "upload.refuse": "拒收上传文件",
  "user.change_password": "修改密码",
  "user.disable": "停用账号",
  "user.enable": "启用账号",
  "user.register": "注册账号",
  "user.reset_password": "重置密码",
  "user.verify_real_name": "实名核验",
};

export const OBJECTS: Record<string, string> = {
  account_holder: "用户",
  agreement: "协议",
  alarm: "告警",
  audit: "审计日志",
  certificate: "证书",
  consent: "同意书",
  consent_text: "同意书文本",
  consultation: "问诊",
  file: "附件",
  history: "既往问诊",
  integrity: "完整性",
  integrity_finding: "核验发现",
  order: "订单",
  outbox_delivery: "事件",
  patient: "就诊人",
  patient_relation: "就诊人",
  recording: "录像",
  rights_request: "权利申请",
  room: "诊间",
  session: "登录设备",
  setting: "设置",
  signature: "签名",
  signer: "签名人",
  user: "账号",
};

const COLUMNS: Record<string, string> = {
  address: "地址",
  advice: "建议",
  amount_fen: "金额（分）",
  card_number: "就诊卡号",
  channel_refund_id: "渠道退款号",
  close_reason: "结束原因",
  diagnosis: "诊断",
  enabled: "启用",
  finished_at: "完成时间",
  guardian_name: "监护人姓名",
  guardian_phone: "监护人电话",
  id_number: "证件号码",
  login: "登录名",
  name: "姓名",
  phone: "电话",
  real_name: "实名",
  relation: "关系",
  state: "状态",
  title: "职称",
  unbound_at: "解绑时间",
  value: "值",
};

export const actionText = (action: string): string => ACTIONS[action] ?? action;
export const objectText = (type: string): string => OBJECTS[type] ?? type;
export const columnText = (column: string): string => COLUMNS[column] ?? column;

export const isId = (id: string | null): boolean => id !== null && /^[0-9a-f-]{36}$/.test(id);
/** The end of an identifier tells rows apart; a word is shown whole. */
export const shortId = (id: string | null): string =>
  id === "list" ? "列表" : isId(id) ? (id ?? "").slice(-12) : (id ?? "");

/** A value of a change or a detail as a person reads it. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "（空）";
  if (typeof value === "boolean") return value ? "是" : "否";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
