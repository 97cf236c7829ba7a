import { createRouter, createWebHashHistory, type RouteRecordRaw } from "vue-router";
import { session } from "@/session";
import { warn } from "@/support/feedback";
import { PAGES } from "@/shell/pages";

const VIEWS: Record<string, () => Promise<unknown>> = {
  home: () => import("@/pages/HomePage.vue"),
  reception: () => import("@/reception/ReceptionPage.vue"),
  ratings: () => import("@/personal/RatingsPage.vue"),
  phrases: () => import("@/personal/PhrasesPage.vue"),
  "chat-search": () => import("@/personal/ChatSearchPage.vue"),
  schedule: () => import("@/schedule/SchedulePage.vue"),
  "self-orders": () => import("@/clinic/ReviewPage.vue"),
  "self-order-workload": () => import("@/clinic/WorkloadPage.vue"),
  "self-order-items": () => import("@/clinic/ItemsPage.vue"),
  prices: () => import("@/schedule/PricesPage.vue"),
  "queue-calls": () => import("@/schedule/CallLogPage.vue"),
  "doctor-load": () => import("@/schedule/LoadPage.vue"),
  consultations: () => import("@/supervise/ConsultationsPage.vue"),
  monitor: () => import("@/supervise/MonitorPage.vue"),
  "call-quality": () => import("@/quality/QualityPage.vue"),
  talks: () => import("@/talks/TalksPage.vue"),
  audit: () => import("@/supervise/AuditPage.vue"),
  staff: () => import("@/accounts/AccountsPage.vue"),
  holders: () => import("@/accounts/HoldersPage.vue"),
  reviews: () => import("@/practice/ReviewsPage.vue"),
  settings: () => import("@/manage/SettingsPage.vue"),
  system: () => import("@/manage/SystemPage.vue"),
  "media-usage": () => import("@/metering/UsagePage.vue"),
  keys: () => import("@/manage/KeysPage.vue"),
  signers: () => import("@/signing/SignersPage.vue"),
  certificates: () => import("@/signature/CertificatesPage.vue"),
  "signature-service": () => import("@/signature/ServicePage.vue"),
  "signature-log": () => import("@/signature/LogPage.vue"),
  signing: () => import("@/signing/SigningPage.vue"),
  messages: () => import("@/personal/MessagesPage.vue"),
  "notice-settings": () => import("@/notifications/SettingsPage.vue"),
  notifications: () => import("@/notifications/NotificationsPage.vue"),
  announcements: () => import("@/notifications/announcements/ListPage.vue"),
  "announcement-desk": () => import("@/notifications/announcements/DeskPage.vue"),
  "device-check": () => import("@/devices/CheckPage.vue"),
  profile: () => import("@/personal/ProfilePage.vue"),
  "my-services": () => import("@/schedule/MyServicesPage.vue"),
  "nursing-settings": () => import("@/schedule/NursingSettingsPage.vue"),
  recordings: () => import("@/recording/RecordingsPage.vue"),
  alarms: () => import("@/access/AlarmsPage.vue"),
  access: () => import("@/access/MatrixPage.vue"),
  "access-roles": () => import("@/access/RolesPage.vue"),
  permissions: () => import("@/access/PermissionsPage.vue"),
  delegations: () => import("@/access/DelegationsPage.vue"),
  emergency: () => import("@/access/EmergencyPage.vue"),
  "emergency-review": () => import("@/access/EmergencyReviewPage.vue"),
  rights: () => import("@/rights/RightsPage.vue"),
  texts: () => import("@/rights/TextsPage.vue"),
};

const CHOOSING = ["reception", "talks"];
const WIDE = ["reception", "talks", "monitor"];

const pages: RouteRecordRaw[] = PAGES.map((page) => ({
  name: page.name,
  // What was chosen stands in the address, so that a reload comes back to it.
  path: CHOOSING.includes(page.name) ? `${page.path}/:id?` : page.path,
  component: VIEWS[page.name] as () => Promise<never>,
  meta: { title: page.title, roles: page.roles, wide: WIDE.includes(page.name) },
}));

export const router = createRouter({
  history: createWebHashHistory("/console/"),
  routes: [
    {
      name: "login",
      path: "/login",
      component: () => import("@/pages/LoginPage.vue"),
      meta: { title: "登录", open: true },
    },
    {
      path: "/",
      component: () => import("@/shell/AppShell.vue"),
      children: [
        ...pages,
        {
          name: "consultation",
          path: "/consultations/:id",
          component: () => import("@/supervise/ConsultationPage.vue"),
          meta: {
            title: "问诊详情",
            roles: ["supervisor", "administrator", "doctor", "nurse", "pharmacist"],
          },
        },
        {
          name: "recording",
          path: "/recordings/:id",
          component: () => import("@/recording/PlaybackPage.vue"),
          meta: {
            title: "录像回放",
            roles: ["supervisor", "administrator", "doctor", "nurse", "pharmacist"],
          },
        },
        {
          name: "notice",
          path: "/messages/:id",
          component: () => import("@/notifications/MessagePage.vue"),
          meta: { title: "消息详情" },
        },
        {
          name: "announcement",
          path: "/announcements/:id",
          component: () => import("@/notifications/announcements/DetailPage.vue"),
          meta: { title: "公告" },
        },
        {
          name: "announcement-editor",
          path: "/announcement-desk/:id",
          component: () => import("@/notifications/announcements/EditorPage.vue"),
          meta: { title: "编辑公告", roles: ["administrator"] },
        },
        {
          name: "signature",
          path: "/signatures/:id",
          component: () => import("@/signing/VerificationPage.vue"),
          meta: { title: "签名验证" },
        },
        {
          name: "missing",
          path: "/:rest(.*)*",
          component: () => import("@/pages/MissingPage.vue"),
          meta: { title: "没有这一页" },
        },
      ],
    },
  ],
});

// A page's own file could not be loaded: the network is away, or a newer version was installed.
router.onError(() => warn("页面没有加载出来。请检查网络，或刷新后再试"));

router.beforeEach((to) => {
  const owes = (session.tokens?.owes ?? []).length > 0;
  if (to.meta["open"])
    return session.tokens && !owes && to.name === "login" ? { name: "home" } : true;
  if (!session.tokens || owes) {
    const next = to.fullPath === "/" ? {} : { next: to.fullPath };
    return { name: "login", query: next };
  }
  return true;
});
