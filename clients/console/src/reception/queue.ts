import { oneLine, type Message } from "@zhenjian/realtime";
import { computed, onScopeDispose, reactive, ref, watch } from "vue";
import { consultations } from "@/api";
import { asProblem, type Problem } from "@/api/problem";
import type { Consultation } from "@/api/types";
import { rooms } from "@/realtime";
import { refreshCounts } from "@/reception/counts";
import { session } from "@/session";
import { debounced } from "@/support/async";

export type Tab = "waiting" | "booked" | "active" | "ended";

const STATES: Record<Tab, string> = {
  waiting: "waiting",
  booked: "booked",
  active: "active",
  ended: "ended,cancelled",
};
/** Rooms that are followed live besides the open one. */
const FOLLOWED = 40;

interface Part {
  items: Consultation[];
  next: string | null;
  loaded: boolean;
  busy: boolean;
  problem: Problem | null;
}

const part = (): Part => ({ items: [], next: null, loaded: false, busy: false, problem: null });

/** Danger first, then whoever has waited longest. */
function byUrgency(items: Consultation[]): Consultation[] {
  const since = (one: Consultation) => one.starts_at ?? one.paid_at ?? one.created_at;
  return [...items].sort(
    (a, b) => Number(b.red_flag) - Number(a.red_flag) || since(a).localeCompare(since(b)),
  );
}

/** The doctor's queue: three lists that follow what the socket tells. */
export function useQueue() {
  const tab = ref<Tab>("waiting");
  /** All, who asked a doctor (在线问诊), or who asked the department (科室咨询). */
  const source = ref<"" | "online" | "department">("");
  const words = ref("");
  const parts = reactive<Record<Tab, Part>>({
    waiting: part(),
    booked: part(),
    active: part(),
    ended: part(),
  });
  const turns: Record<Tab, number> = { waiting: 0, booked: 0, active: 0, ended: 0 };

  /** The short lists are searched here, by any part; the long one by the server, which knows whole names. */
  const asked = (which: Tab) => (which === "ended" ? words.value.trim() : "");

  async function load(which: Tab): Promise<void> {
    const mine = ++turns[which];
    const list = parts[which];
    list.busy = true;
    try {
      const page = await consultations.list({ state: STATES[which], q: asked(which), limit: 50 });
      if (mine !== turns[which]) return;
      Object.assign(list, { items: page.items, next: page.next, loaded: true, problem: null });
      if (which === "active") follow(page.items);
    } catch (error) {
      if (mine === turns[which]) list.problem = asProblem(error);
    } finally {
      if (mine === turns[which]) list.busy = false;
    }
  }

  async function more(): Promise<void> {
    const list = parts[tab.value];
    if (!list.next || list.busy) return;
    list.busy = true;
    try {
      const page = await consultations.list({
        state: STATES[tab.value],
        q: asked(tab.value),
        cursor: list.next,
        limit: 50,
      });
      list.items = [...list.items, ...page.items];
      list.next = page.next;
    } catch (error) {
      list.problem = asProblem(error);
    } finally {
      list.busy = false;
    }
  }

  /** Joined rooms deliver their messages, so the list moves without being asked for again. */
  function follow(items: Consultation[]): void {
    for (const one of items.slice(0, FOLLOWED)) {
      // The list itself shows the state; a refusal here only costs the live preview.
      if (one.room_id)
        rooms()
          .join(one.room_id)
          .catch(() => undefined);
    }
  }

  function onMessage(message: Message): void {
    const list = parts.active;
    const index = list.items.findIndex((one) => one.room_id === message.room);
    const one = list.items[index];
    if (!one) return;
    const other = message.sender !== null && message.sender.user_id !== session.user?.id;
    const text = oneLine(message.kind, message.body, message.recalled);
    const changed: Consultation = {
      ...one,
      unread: one.unread + (other ? 1 : 0),
      last_message: text ? { text, at: message.at } : one.last_message,
    };
    list.items = list.items.map((old, i) => (i === index ? changed : old));
  }

  /** Read here or on another device: what is left, as the server counts it. */
  function onUnread({ room, unread }: { room: string; unread: number }): void {
    for (const which of ["active", "ended"] as const) {
      const list = parts[which];
      list.items = list.items.map((one) => (one.room_id === room ? { ...one, unread } : one));
    }
  }

  /** Whatever the list shows of one consultation changes at once. */
  function put(changed: Consultation): void {
    for (const which of ["waiting", "booked", "active", "ended"] as const) {
      const list = parts[which];
      const belongs = STATES[which].split(",").includes(changed.state);
      const known = list.items.some((one) => one.id === changed.id);
      if (known && belongs) {
        list.items = list.items.map((one) => (one.id === changed.id ? changed : one));
      } else if (known) list.items = list.items.filter((one) => one.id !== changed.id);
      else if (belongs && list.loaded) list.items = [changed, ...list.items];
    }
    if (changed.state === "active") follow([changed]);
    void refreshCounts();
  }

  function clearUnread(id: string): void {
    const one = parts.active.items.find((item) => item.id === id);
    if (one && one.unread > 0) {
      parts.active.items = parts.active.items.map((old) =>
        old.id === id ? { ...old, unread: 0 } : old,
      );
    }
  }

  function reloadAll(): void {
    for (const which of ["waiting", "booked", "active", "ended"] as const) {
      if (which === tab.value || parts[which].loaded) void load(which);
    }
  }

  const soon = debounced(reloadAll, 300);
  const searched = debounced(() => {
    parts.ended.loaded = false;
    if (tab.value === "ended") void load("ended");
  }, 300);
  watch(words, () => searched());
  watch(tab, (now) => !parts[now].loaded && void load(now));

  const client = rooms();
  const stops = [
    client.on("inbox", soon),
    client.on("notice", soon),
    client.on("room-state", soon),
    client.on("online", ({ again }) => again && soon()),
    client.on("message", onMessage),
    client.on("unread", onUnread),
  ];
  // A refusal by time-out moves the list although nothing may be told to this socket.
  const timer = setInterval(() => document.visibilityState === "visible" && soon(), 60_000);
  onScopeDispose(() => {
    clearInterval(timer);
    for (const stop of stops) stop();
  });
  void load("waiting");
  void load("active");

  const current = computed(() => parts[tab.value]);
  const shown = computed(() => {
    const wanted = words.value.trim();
    const items = ["waiting", "booked"].includes(tab.value)
      ? byUrgency(current.value.items)
      : current.value.items;
    const chosen =
      tab.value !== "ended" && source.value
        ? items.filter((one) => (one.kind === "department") === (source.value === "department"))
        : items;
    if (!wanted || tab.value === "ended") return chosen;
    return chosen.filter((one) =>
      [one.patient.name, one.number, one.description].some((text) => text.includes(wanted)),
    );
  });
  const unread = computed(() => parts.active.items.filter((one) => one.unread > 0).length);
  const show = (which: Tab) => (tab.value = which);
  const choose = (from: unknown) => (source.value = from as typeof source.value);
  const search = (text: string) => (words.value = text);
  return {
    show,
    search,
    source,
    choose,
    tab,
    words,
    parts,
    current,
    shown,
    unread,
    load,
    more,
    put,
    clearUnread,
    reload: soon,
  };
}

export type Queue = ReturnType<typeof useQueue>;
