/** What the audit's names mean; a name that is not here is shown as it is. */
export const ACTIONS: Record<string, string> = {
  "login.accept": "登录成功",
  "login.refuse": "登录被拒",
  "session.revoke": "撤销登录设备",
  "session.switch_role": "切换身份",
  "user.register": "注册账号",
  "user.enable": "启用账号",
  "user.disable": "停用账号",
  "user.change_password": "修改密码",
  "user.verify_real_name": "实名核验",
  "role.assign": "授予身份",
  "role.remove": "收回身份",
  "agreement.accept": "同意协议",
  "consultation.look": "查看问诊",
  "consultation.accept": "接诊",
  "consultation.decline": "拒诊",
  "consultation.end": "结束问诊",
  "consultation.refund": "退诊",
  "consultation.export": "导出问诊",
  "history.look": "查看既往问诊",
  "room.look": "查看聊天记录",
  "recording.look": "查看录像",
  "file.look": "查看附件",
  "order.look": "查看订单",
  "order.unexpected_payment": "意外到账",
  "setting.change": "修改设置",
  "audit.look": "查看审计日志",
};

export const OBJECTS: Record<string, string> = {
  consultation: "问诊",
  history: "既往问诊",
  room: "诊间",
  recording: "录像",
  file: "附件",
  order: "订单",
  user: "账号",
  session: "登录设备",
  agreement: "协议",
  setting: "设置",
  audit: "审计日志",
  patient: "就诊人",
};

export const actionText = (action: string): string => ACTIONS[action] ?? action;
export const objectText = (type: string): string => OBJECTS[type] ?? type;
