import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { asProblem, type Problem } from "@/api/problem";

export interface Loading<T> {
  data: ShallowRef<T | null>;
  problem: ShallowRef<Problem | null>;
  busy: Ref<boolean>;
  /** Loads again; what is shown stays until the answer is there. */
  reload: () => Promise<void>;
}

/** One answer of the server with its loading and error states; a later call wins over an earlier one. */
export function useLoading<T>(load: () => Promise<T>, immediate = true): Loading<T> {
  const data = shallowRef<T | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const busy = ref(false);
  let turn = 0;
  async function reload(): Promise<void> {
    const mine = ++turn;
    busy.value = true;
    try {
      const answer = await load();
      if (mine !== turn) return;
      data.value = answer;
      problem.value = null;
    } catch (error) {
      if (mine === turn) problem.value = asProblem(error);
    } finally {
      if (mine === turn) busy.value = false;
    }
  }
  if (immediate) void reload();
  return { data, problem, busy, reload };
}

/** The time now, moving once a second (or as told). */
export function useNow(everyMs = 1000): Ref<number> {
  const now = ref(Date.now());
  const timer = setInterval(() => (now.value = Date.now()), everyMs);
  onScopeDispose(() => clearInterval(timer));
  return now;
}

export function debounced<A extends unknown[]>(work: (...args: A) => void, ms: number) {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let waiting: A | null = null;
  const flush = () => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (waiting) {
      const args = waiting;
      waiting = null;
      work(...args);
    }
  };
  const later = (...args: A) => {
    waiting = args;
    if (timer) clearTimeout(timer);
    timer = setTimeout(flush, ms);
  };
  return Object.assign(later, { flush });
}
