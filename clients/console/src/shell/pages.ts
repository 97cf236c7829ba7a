import {
  Avatar,
  Bell,
  ChatDotRound,
  ChatLineSquare,
  Connection,
  Document,
  EditPen,
  Files,
  HomeFilled,
  Key,
  Lock,
  List,
  Monitor,
  Notebook,
  Postcard,
  Setting,
  Stamp,
  Star,
  Tickets,
  User,
  UserFilled,
} from "@element-plus/icons-vue";
import type { Role } from "@zhenjian/realtime";
import type { Component } from "vue";

export interface PageEntry {
  name: string;
  path: string;
  title: string;
  icon: Component;
  /** Absent: every role of staff. */
  roles?: Role[];
  group: "" | "医生工作站" | "监管" | "管理" | "我";
  /** For the command palette. */
  keywords: string;
}

/** Every page that a menu or the command palette leads to. */
export const PAGES: PageEntry[] = [
  {
    name: "home",
    path: "/",
    title: "工作台",
    icon: HomeFilled,
    group: "",
    keywords: "首页 gongzuotai home",
  },
  {
    name: "reception",
    path: "/reception",
    title: "接诊中心",
    icon: ChatDotRound,
    roles: ["doctor"],
    group: "医生工作站",
    keywords: "问诊 诊间 待接诊 jiezhen",
  },
  {
    name: "ratings",
    path: "/ratings",
    title: "我的评价",
    icon: Star,
    roles: ["doctor"],
    group: "医生工作站",
    keywords: "评分 pingjia",
  },
  {
    name: "phrases",
    path: "/phrases",
    title: "常用语",
    icon: ChatLineSquare,
    roles: ["doctor"],
    group: "医生工作站",
    keywords: "回复模板 changyongyu",
  },
  {
    name: "consultations",
    path: "/consultations",
    title: "问诊记录",
    icon: Files,
    roles: ["supervisor", "administrator", "doctor"],
    group: "监管",
    keywords: "接诊记录 监管 wenzhen jilu",
  },
  {
    name: "audit",
    path: "/audit",
    title: "审计日志",
    icon: Document,
    roles: ["supervisor", "administrator"],
    group: "监管",
    keywords: "shenji rizhi",
  },
  {
    name: "rights",
    path: "/rights",
    title: "个人信息权利",
    icon: Key,
    roles: ["supervisor", "administrator"],
    group: "监管",
    keywords: "隐私 查阅 删除 注销 保全 geren xinxi quanli",
  },
  {
    name: "texts",
    path: "/texts",
    title: "协议与告知书",
    icon: Notebook,
    roles: ["administrator", "supervisor"],
    group: "管理",
    keywords: "用户协议 隐私政策 知情同意 xieyi",
  },
  {
    name: "staff",
    path: "/staff",
    title: "人员账号",
    icon: Avatar,
    roles: ["administrator", "operator"],
    group: "管理",
    keywords: "医生 员工 管理员 renyuan zhanghao",
  },
  {
    name: "reviews",
    path: "/reviews",
    title: "资料审核",
    icon: Postcard,
    roles: ["administrator"],
    group: "管理",
    keywords: "执业 证书 激活 护士 ziliao shenhe",
  },
  {
    name: "holders",
    path: "/holders",
    title: "患者用户",
    icon: UserFilled,
    roles: ["administrator", "operator", "customer_service"],
    group: "管理",
    keywords: "绑定 解绑 就诊人 huanzhe yonghu",
  },
  {
    name: "settings",
    path: "/settings",
    title: "设置",
    icon: Setting,
    roles: ["administrator"],
    group: "管理",
    keywords: "参数 shezhi",
  },
  {
    name: "system",
    path: "/system",
    title: "系统状态",
    icon: Monitor,
    roles: ["administrator", "operator"],
    group: "管理",
    keywords: "健康 事件 重试 xitong",
  },
  {
    name: "keys",
    path: "/keys",
    title: "密钥",
    icon: Lock,
    roles: ["administrator", "operator"],
    group: "管理",
    keywords: "加密 备份 演练 轮换 更换 miyao",
  },
  {
    name: "signers",
    path: "/signers",
    title: "签名管理",
    icon: Stamp,
    roles: ["administrator", "supervisor"],
    group: "管理",
    keywords: "证书 CA 签章 用量 qianming guanli",
  },
  {
    name: "signature-service",
    path: "/signature-service",
    title: "签名服务",
    icon: Connection,
    roles: ["administrator"],
    group: "管理",
    keywords: "业务系统 应用 接口 服务器证书 策略 qianming fuwu",
  },
  {
    name: "certificates",
    path: "/certificates",
    title: "证书库",
    icon: Tickets,
    roles: ["administrator", "supervisor"],
    group: "管理",
    keywords: "CA 根证书 吊销 CRL OCSP zhengshu",
  },
  {
    name: "signature-log",
    path: "/signature-log",
    title: "签名日志",
    icon: List,
    roles: ["administrator", "supervisor"],
    group: "监管",
    keywords: "签名 用量 导出 qianming rizhi",
  },
  {
    name: "signing",
    path: "/signing",
    title: "电子签名",
    icon: EditPen,
    roles: ["doctor", "pharmacist", "nurse"],
    group: "我",
    keywords: "待签名 签名密码 证书 验证 qianming",
  },
  {
    name: "messages",
    path: "/messages",
    title: "消息中心",
    icon: Bell,
    group: "我",
    keywords: "通知 xiaoxi",
  },
  {
    name: "profile",
    path: "/profile",
    title: "个人中心",
    icon: User,
    group: "我",
    keywords: "密码 设备 登录 协议 geren",
  },
];

export function pagesOf(role: Role | null): PageEntry[] {
  return role ? PAGES.filter((page) => !page.roles || page.roles.includes(role)) : [];
}

/** A doctor finds own records under the work station. */
export function groupOf(page: PageEntry, role: Role | null): string {
  return page.name === "consultations" && role === "doctor" ? "医生工作站" : page.group;
}
