import { computed, ref, shallowRef } from "vue";
import type { Page } from "@/api/types";
import { asProblem, type Problem } from "@/api/problem";

/** A list behind cursors, one page on screen: forward by the server's cursor, back by remembered ones. */
export function useCursorPages<T>(load: (cursor: string | null) => Promise<Page<T>>) {
  const items = shallowRef<T[] | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const busy = ref(false);
  const trail = ref<(string | null)[]>([null]);
  const next = ref<string | null>(null);
  let turn = 0;

  async function show(cursors: (string | null)[]): Promise<void> {
    const mine = ++turn;
    busy.value = true;
    try {
      const page = await load(cursors[cursors.length - 1] ?? null);
      if (mine !== turn) return;
      items.value = page.items;
      next.value = page.next;
      trail.value = cursors;
      problem.value = null;
    } catch (error) {
      if (mine !== turn) return;
      problem.value = asProblem(error);
      // Rows that no longer fit the filters would mislead.
      if (cursors.length === 1) items.value = null;
    } finally {
      if (mine === turn) busy.value = false;
    }
  }

  return {
    items,
    problem,
    busy,
    number: computed(() => trail.value.length),
    hasNext: computed(() => next.value !== null),
    hasPrevious: computed(() => trail.value.length > 1),
    restart: () => show([null]),
    reload: () => show(trail.value),
    forward: () => (next.value === null ? Promise.resolve() : show([...trail.value, next.value])),
    back: () => (trail.value.length > 1 ? show(trail.value.slice(0, -1)) : Promise.resolve()),
  };
}

export type CursorPages<Item> = ReturnType<typeof useCursorPages<Item>>;
