import { computed, shallowRef, watch } from "vue";
import type { HistoryWindow, Message } from "@zhenjian/realtime";
import type { ItemContext } from "@/chat/MessageItem.vue";
import type { useRoom } from "@/chat/use-room";
import { attempt } from "@/support/feedback";

interface Past {
  focus: number;
  /** Grows with every opening, so that the same message can be looked for again. */
  opened: number;
  messages: readonly Message[];
  hasEarlier: boolean;
  hasLater: boolean;
}

/** A look at an old part of an open room, beside the live messages. */
export function usePast(chat: ReturnType<typeof useRoom>) {
  const past = shallowRef<Past | null>(null);
  let history: HistoryWindow | null = null;
  let opened = 0;

  function show(focus: number): void {
    if (!history) return;
    const { messages, hasEarlier, hasLater } = history;
    past.value = { focus, opened, messages, hasEarlier, hasLater };
  }

  async function lookAt(seq: number): Promise<void> {
    const room = chat.room.value;
    if (!room) return;
    await attempt(async () => {
      const found = await room.around(seq);
      if (chat.room.value !== room) return;
      history = found;
      opened += 1;
      show(seq);
    });
  }

  async function page(direction: "earlier" | "later"): Promise<void> {
    if (!history || !past.value) return;
    await history[direction]();
    show(past.value.focus);
  }

  function toNow(): void {
    history = null;
    past.value = null;
  }

  watch(chat.room, toNow);
  const pastContext = computed<ItemContext>(() => ({
    ...chat.context.value,
    acts: false,
    find: (seq) => past.value?.messages.find((message) => message.seq === seq) ?? null,
  }));
  return { past, pastContext, lookAt, page, toNow };
}
