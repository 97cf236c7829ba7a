/** What stands in the changes and details of an audit entry, as a person reads it. */
import { ACTIONS, OBJECTS, isId, shortId } from "@/supervise/audit-labels";
import { dateTimeOf } from "@/support/format";
import { ROLES, STATES } from "@/support/labels";

const COLUMNS: Record<string, string> = {
  accepted: "接受",
  accepted_at: "接诊时间",
  access_role: "岗位角色",
  action: "操作",
  actions: "操作",
  address: "地址",
  addresses: "来源地址",
  advice: "建议",
  after: "变更后",
  algorithm: "算法",
  amount_fen: "金额（分）",
  anchors: "信任的根证书",
  base: "派生自",
  before: "变更前",
  break_glass: "紧急调阅",
  card_number: "就诊卡号",
  category: "情形",
  certificate: "证书",
  certificate_id: "证书",
  changed: "变更项数",
  channel_refund_id: "渠道退款号",
  close_reason: "结束原因",
  code: "编号",
  days: "天数",
  department_id: "科室",
  description: "说明",
  device: "设备",
  diagnosis: "诊断",
  digest: "摘要",
  document: "文书",
  due_on: "答复期限",
  enabled: "启用",
  ended_at: "结束时间",
  error: "错误",
  existing: "已有账号",
  failures: "失败次数",
  fields: "项目",
  filters: "条件",
  finished_at: "完成时间",
  formats: "格式",
  from: "从",
  giver: "委托人",
  guardian_name: "监护人姓名",
  guardian_phone: "监护人电话",
  handler: "处理程序",
  hard: "无法确认时拒绝",
  hidden: "隐藏",
  hold: "法律保全",
  id_number: "证件号码",
  items: "项目",
  kind: "种类",
  known: "已知",
  label: "名称",
  lines: "行数",
  login: "登录名",
  masked: "遮盖",
  method: "方式",
  minutes: "分钟",
  name: "姓名或名称",
  note: "说明",
  ok: "通过",
  operations: "功能",
  outcome: "结果",
  pages: "菜单",
  per_minute: "每分钟上限",
  permission: "权限",
  phone: "电话",
  platform: "终端",
  proof: "身份证明方式",
  provider: "来源",
  real_name: "实名",
  reason: "原因",
  receiver: "受托人",
  refund_id: "退款编号",
  relation: "关系",
  request: "申请",
  resource: "对象",
  result: "结果",
  revoking: "吊销检查",
  right: "权利",
  role: "身份",
  role_id: "岗位角色",
  roles: "身份",
  rows: "行数",
  scope: "范围",
  serial: "证书序列号",
  server_key: "服务器证书",
  sha256: "文件摘要",
  signature: "签名",
  since: "起始时间",
  size: "大小（字节）",
  state: "状态",
  subject: "使用者",
  title: "职称",
  to: "到",
  trusted: "信任",
  type: "类型",
  unbound_at: "解绑时间",
  until: "有效期至",
  user: "人员",
  user_id: "人员",
  value: "值",
  verdict: "结论",
  version: "版本",
  words: "说明",
};

/** Words of the data itself; the same word means the same in all columns that are audited. */
const WORDS: Record<string, string> = {
  ...STATES,
  ...ROLES,
  ...OBJECTS,
  access: "查阅",
  account_closing: "注销账号",
  alipay: "支付宝",
  app: "应用",
  attachments: "附件",
  certificate: "证书",
  close: "结束",
  cms_attached: "PKCS#7 带原文",
  cms_detached: "PKCS#7 不带原文",
  console: "工作台",
  copy: "获取副本",
  correction: "更正",
  crl: "吊销列表",
  deletion: "删除",
  department: "本科室",
  drug_reaction: "用药不良反应处置",
  end: "结束",
  find_certificates: "获取证书",
  give: "委托",
  granted: "予以支持",
  group: "全集团",
  h5: "网页",
  handover: "原接诊人员无法联系",
  hospital: "本院",
  issue: "签发",
  justified: "理由充分",
  life_threat: "危及生命的抢救",
  none: "无",
  ocsp: "在线查询",
  ocsp_then_crl: "先在线查询，再查吊销列表",
  other: "其他",
  own: "本人的",
  password: "密码",
  partly: "部分支持",
  patients: "本人的患者",
  privacy: "隐私政策",
  public_health: "突发公共卫生事件",
  raw: "PKCS#1 裸签名",
  read: "查看",
  recording: "录音录像",
  recovery: "恢复码",
  refused: "不予支持",
  renew: "续期",
  restriction: "限制处理",
  revoke: "吊销",
  rooms: "本人所在诊间",
  secret: "密钥",
  sensitive: "敏感个人信息",
  service: "用户服务协议",
  sign: "签名",
  sms: "短信",
  sso: "单点登录",
  totp: "验证器",
  unjustified: "理由不充分",
  verify: "验签",
  verify_certificate: "验证证书",
  wechat: "微信",
  write: "修改",
};

const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

export const columnText = (column: string): string => COLUMNS[column] ?? column;

/** A value of a change or a detail; of lists and objects every part, objects on lines of their own. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "（空）";
  if (typeof value === "boolean") return value ? "是" : "否";
  if (Array.isArray(value)) {
    const between = typeof value[0] === "object" ? "\n" : "、";
    return value.length ? value.map(valueText).join(between) : "（空）";
  }
  if (typeof value === "object")
    return Object.entries(value)
      .map(([key, each]) => `${columnText(key)}：${partText(each)}`)
      .join("；");
  const text = String(value);
  if (isId(text)) return shortId(text);
  if (MOMENT.test(text)) return dateTimeOf(text.replace(" ", "T"));
  return WORDS[text] ?? ACTIONS[text] ?? pathText(text);
}

/** `patient.address`, a field of a resource. */
function pathText(text: string): string {
  const [head, tail, ...rest] = text.split(".");
  const [object, column] = [OBJECTS[head ?? ""], COLUMNS[tail ?? ""]];
  return object && column && rest.length === 0 ? `${object}${column}` : text;
}

const partText = (value: unknown): string =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? `（${valueText(value)}）`
    : valueText(value);
