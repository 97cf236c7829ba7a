import { onScopeDispose, ref, shallowRef } from "vue";
import { asProblem, type Problem } from "@/api/problem";
import { rooms } from "@/realtime";
import { session } from "@/session";
import { MonitorRooms, monitor } from "@/supervise/monitor";

/** The monitor while its page is open: first the changes, then the list, then changes again. */
export function useMonitor() {
  const model = new MonitorRooms();
  /** Grows with every change of the model. */
  const version = ref(0);
  const ready = ref(false);
  const problem = shallowRef<Problem | null>(null);
  const replySeconds = ref(600);
  /** The server's clock ahead of ours, in milliseconds. */
  const ahead = ref(0);
  let turn = 0;

  async function load(): Promise<void> {
    const mine = ++turn;
    try {
      await rooms().request("monitor:watch", { on: true });
      if (mine !== turn) return;
      model.restart();
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof monitor.page>> = await monitor.page(after);
        if (mine !== turn) return;
        model.put(page.items);
        replySeconds.value = page.reply_seconds;
        ahead.value = Date.parse(page.now) - Date.now();
        after = page.next;
        version.value += 1;
        ready.value = true;
        problem.value = null;
      } while (after !== null);
    } catch (error) {
      if (mine === turn) problem.value = asProblem(error);
    }
  }

  const stops = [
    rooms().on("monitor-rooms", (change) => {
      model.put(change.rooms as Parameters<MonitorRooms["put"]>[0]);
      model.drop(change.gone);
      version.value += 1;
    }),
    rooms().on("monitor-presence", ({ users }) => {
      model.applyPresence(users);
      version.value += 1;
    }),
    rooms().on("resync", ({ room }) => {
      if (room === session.tokens?.hospital.id) void load();
    }),
    rooms().on("online", () => void load()),
  ];
  if (rooms().state.phase === "online") void load();
  onScopeDispose(() => {
    turn += 1;
    stops.forEach((stop) => stop());
    void rooms()
      .request("monitor:watch", { on: false })
      // Without a connection nobody is told anything anyway.
      .catch(() => undefined);
  });
  return { model, version, ready, problem, replySeconds, ahead, load };
}
