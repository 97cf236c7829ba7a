import { Bursts, type Message } from "@zhenjian/realtime";
import { ElNotification } from "element-plus";
import { onScopeDispose } from "vue";
import { consultations } from "@/api";
import type { Consultation } from "@/api/types";
import { rooms } from "@/realtime";
import { router } from "@/router";
import { session, treats } from "@/session";
import { debounced } from "@/support/async";
import { reminders } from "@/support/reminders";
import { chimeNotice } from "@/support/sound";

const FOLLOWED = 50;

/** A doctor or pharmacist hears and sees new words of his patients on whatever page he is. */
export function useRoomAlerts(): void {
  if (!treats()) return;
  const client = rooms();
  const bursts = new Bursts();
  let active: Consultation[] = [];

  async function follow(): Promise<void> {
    try {
      const page = await consultations.list({ state: "active", limit: FOLLOWED });
      active = page.items;
    } catch {
      // The next event asks again.
      return;
    }
    for (const one of active) {
      if (one.room_id) client.join(one.room_id).catch(() => undefined);
    }
  }

  function onMessage(message: Message): void {
    if (!message.sender || message.sender.user_id === session.user?.id) return;
    const about = active.find((one) => one.room_id === message.room);
    if (!about || isOpen(about.id) || !bursts.rings(message.room, Date.now())) return;
    chimeNotice();
    if (!reminders.popup) return;
    const shown = ElNotification({
      title: `${about.patient.name}发来新消息`,
      message: "点击进入诊间回复",
      type: "info",
      duration: 6000,
      offset: 64,
      customClass: "notice-toast",
      onClick: () => {
        void router.push({ name: "reception", params: { id: about.id } });
        shown.close();
      },
    });
  }

  const soon = debounced(() => void follow(), 400);
  const stops = [
    client.on("message", onMessage),
    client.on("room-state", soon),
    client.on("notice", soon),
    client.on("online", soon),
  ];
  onScopeDispose(() => {
    for (const stop of stops) stop();
  });
  void follow();
}

/** Whether the doctor looks at this consultation right now. */
function isOpen(id: string): boolean {
  const route = router.currentRoute.value;
  const here = route.name === "reception" && route.params["id"] === id;
  return here && document.visibilityState === "visible";
}
