import { computed, ref, shallowRef } from "vue";
import { asProblem } from "@/api/problem";
import { records, type Hit, type Wanted } from "@/chat/records";

/** Hits that one call gathers before it pauses and waits for "go on". */
const ENOUGH = 20;

/** A search that goes on part by part until something is found, all is looked through or it is stopped. */
export function useSearch() {
  const hits = shallowRef<Hit[]>([]);
  const looked = ref(0);
  const total = ref(0);
  const busy = ref(false);
  const done = ref(false);
  const problem = ref("");
  let wanted: Wanted | null = null;
  let cursor: string | null = null;
  let run = 0;

  async function go(): Promise<void> {
    if (!wanted) return;
    const mine = ++run;
    busy.value = true;
    problem.value = "";
    const before = hits.value.length;
    try {
      do {
        const page = await records.search(wanted, cursor);
        if (mine !== run) return;
        hits.value = [...hits.value, ...page.items];
        looked.value = page.looked;
        total.value = page.total;
        cursor = page.next;
        done.value = cursor === null;
      } while (!done.value && hits.value.length - before < ENOUGH);
    } catch (error) {
      if (mine === run) problem.value = asProblem(error).text;
    } finally {
      if (mine === run) busy.value = false;
    }
  }

  function start(now: Wanted): void {
    wanted = now;
    cursor = null;
    hits.value = [];
    looked.value = total.value = 0;
    done.value = false;
    void go();
  }

  /** Leaves off where it is; {@link go} goes on from there. */
  function stop(): void {
    run += 1;
    busy.value = false;
  }

  function clear(): void {
    stop();
    wanted = null;
    hits.value = [];
    done.value = false;
    problem.value = "";
  }
  const share = computed(() =>
    total.value === 0 ? (done.value ? 100 : 0) : Math.floor((looked.value / total.value) * 100),
  );
  return { hits, looked, total, share, busy, done, problem, start, go, stop, clear };
}
