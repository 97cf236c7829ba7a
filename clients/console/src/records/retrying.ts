import { onScopeDispose, ref, watch, type Ref } from "vue";
import type { Problem } from "@/api/problem";
import { useLoading, type Loading } from "@/support/async";

const FIRST_S = 5;
const LONGEST_S = 60;
/** What may be over in a moment; a refusal is not. */
const PASSING = new Set(["his_unreachable", "his_busy", "his_malformed", "offline"]);

/** Seconds until the hospital is asked again after so many failures; null when that is no use. */
export function pauseAfter(problem: Problem, failures: number): number | null {
  if (!PASSING.has(problem.code)) return null;
  const own = Math.min(LONGEST_S, FIRST_S * 2 ** Math.max(0, failures - 1));
  return Math.max(own, problem.retryAfter ?? 0);
}

export interface Retrying<T> extends Loading<T> {
  /** Seconds of the pause that runs now, or null. */
  again: Ref<number | null>;
}

/** Loads, and while the hospital's system does not answer tries again by itself, ever more rarely. */
export function useRetrying<T>(load: () => Promise<T>): Retrying<T> {
  const loading = useLoading(load, false);
  const again = ref<number | null>(null);
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function reload(): Promise<void> {
    clearTimeout(timer);
    again.value = null;
    await loading.reload();
  }
  watch([loading.problem, loading.busy], ([problem, busy]) => {
    if (busy) return;
    clearTimeout(timer);
    again.value = null;
    failures = problem ? failures + 1 : 0;
    const pause = problem && pauseAfter(problem, failures);
    if (pause === null) return;
    again.value = pause;
    timer = setTimeout(() => void reload(), pause * 1000);
  });
  onScopeDispose(() => clearTimeout(timer));
  void reload();
  return { ...loading, reload, again };
}
