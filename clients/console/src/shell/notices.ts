import type { InboxItem } from "@zhenjian/realtime";
import { ElNotification } from "element-plus";
import { onScopeDispose } from "vue";
import type { RouteLocationRaw } from "vue-router";
import { centre } from "@/notifications/api";
import { rooms } from "@/realtime";
import { router } from "@/router";
import { treats, session } from "@/session";
import { reminders } from "@/support/reminders";
import { chimeNotice, chimeWaiting } from "@/support/sound";

const ACCESS_PAGES: Record<string, string> = {
  alarm: "alarms",
  access_change: "access",
  delegation: "delegations",
  permit: "permissions",
  emergency: "emergency",
  consent_text: "texts",
  rights_request: "rights",
};

/** Where a notice leads to, if anywhere for this role. */
export function targetOf(item: InboxItem): RouteLocationRaw | null {
  if (item.ref?.type === "consultation") {
    if (treats()) return { name: "reception", params: { id: item.ref.id } };
    if (session.role === "supervisor" || session.role === "administrator") {
      return { name: "consultation", params: { id: item.ref.id } };
    }
  }
  if (item.ref?.type === "room") return { name: "talks", params: { id: item.ref.id } };
  if (item.ref?.type === "signing") return { name: "signing" };
  if (item.ref?.type === "notice_message") return { name: "notice", params: { id: item.ref.id } };
  if (item.ref?.type === "announcement")
    return { name: "announcement", params: { id: item.ref.id } };
  const access = ACCESS_PAGES[item.ref?.type ?? ""];
  if (access) return { name: access };
  if (item.type === "login") return { name: "profile", query: { tab: "devices" } };
  return null;
}

/** New inbox items sound and show, wherever one is. */
export function useNotices(): void {
  const stop = rooms().on("inbox", (item) => {
    if (item.read || item.silent) return;
    const waiting = item.type.endsWith("_waiting") || item.category === "critical";
    if (waiting) chimeWaiting();
    else chimeNotice();
    if (!reminders.popup) return;
    const target = targetOf(item);
    const shown = ElNotification({
      title: item.title,
      message: item.text,
      type: waiting ? "warning" : "info",
      duration: waiting ? 12_000 : 5000,
      offset: 64,
      customClass: "notice-toast",
      onClick: () => {
        if (target) void router.push(target);
        shown.close();
      },
    });
  });
  onScopeDispose(stop);
}

export async function markAllRead(category: string | null = null): Promise<void> {
  await centre.readAll(category);
  rooms().inbox.mark((item) => category === null || item.category === category);
}

export async function markOneRead(id: number): Promise<void> {
  await centre.readOne(id);
  rooms().inbox.mark((item) => item.id === id);
}
