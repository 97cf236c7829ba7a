import type { Message, Outgoing, RealtimeError, Room, RoomView } from "@zhenjian/realtime";
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { rooms } from "@/realtime";
import type { ItemContext } from "@/chat/MessageItem.vue";
import { warn } from "@/support/feedback";
import { asProblem, type Problem } from "@/api/problem";

/** An open room as reactive state; another id opens another room. It stays joined when the page goes. */
export function useRoom(id: Ref<string | null>) {
  const room = shallowRef<Room | null>(null);
  const messages = shallowRef<readonly Message[]>([]);
  const outgoing = shallowRef<readonly Outgoing[]>([]);
  const view = shallowRef<RoomView | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const ready = ref(false);
  const hasEarlier = ref(false);
  const typing = ref<string | null>(null);
  let stops: (() => void)[] = [];
  let typingTimer: ReturnType<typeof setTimeout> | null = null;

  function leave(): void {
    for (const stop of stops) stop();
    stops = [];
    if (typingTimer) clearTimeout(typingTimer);
    typing.value = null;
  }

  function read(found: Room): void {
    messages.value = found.messages;
    outgoing.value = found.outgoing;
    view.value = found.view;
    hasEarlier.value = found.hasEarlier;
  }

  function follow(found: Room): void {
    stops = [
      found.on("messages", ({ added }) => {
        messages.value = found.messages;
        hasEarlier.value = found.hasEarlier;
        if (added.some((message) => message.sender?.user_id === typing.value)) typing.value = null;
      }),
      found.on("outgoing", () => (outgoing.value = found.outgoing)),
      found.on("view", (now) => (view.value = now)),
      found.on("typing", ({ user }) => {
        if (user === found.view?.me.user_id) return;
        typing.value = user;
        if (typingTimer) clearTimeout(typingTimer);
        typingTimer = setTimeout(() => (typing.value = null), 4500);
      }),
      found.on("problem", (trouble: RealtimeError) => warn(trouble.message)),
    ];
  }

  async function open(roomId: string): Promise<void> {
    leave();
    ready.value = false;
    problem.value = null;
    const found = rooms().room(roomId);
    room.value = found;
    follow(found);
    if (found.view) {
      // Joined before: it is up to date already.
      read(found);
      ready.value = true;
      return;
    }
    try {
      await rooms().join(roomId);
      if (room.value !== found) return;
      read(found);
      ready.value = true;
    } catch (error) {
      if (room.value === found) problem.value = asProblem(error);
    }
  }

  function close(): void {
    leave();
    room.value = null;
    messages.value = [];
    outgoing.value = [];
    view.value = null;
    ready.value = false;
    problem.value = null;
  }

  watch(id, (now) => (now ? void open(now) : close()), { immediate: true });
  onScopeDispose(leave);

  const context = computed<ItemContext>(() => {
    // The marks live in the view: this runs again when it changes.
    const now = view.value;
    return {
      me: now?.me.user_id ?? null,
      readBy: now ? (room.value?.readBy() ?? 0) : 0,
      deliveredTo: now ? (room.value?.deliveredTo() ?? 0) : 0,
      avatars: Object.fromEntries(
        (now?.members ?? []).map((member) => [member.user_id, member.avatar]),
      ),
      find: (seq) => messages.value.find((message) => message.seq === seq) ?? null,
      acts: now?.me.may_send ?? false,
      member: true,
      readers: (seq) => (now && room.value ? room.value.readers(seq) : { read: 0, of: 0 }),
    };
  });
  const retry = () => (id.value ? open(id.value) : Promise.resolve());
  return { room, messages, outgoing, view, ready, problem, hasEarlier, typing, context, retry };
}
