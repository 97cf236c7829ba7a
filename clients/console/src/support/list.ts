import { computed, ref, toValue, watch, type MaybeRefOrGetter } from "vue";
import type { Page } from "@/api/types";
import { useAddressFilters } from "@/support/address";
import { debounced } from "@/support/async";
import { attempt } from "@/support/feedback";
import { useCursorPages } from "@/support/pages";

/** A list whose filters live in the address: it begins anew when one of them changes. What stands
 * in the address beside the filters (an open drawer) leaves the list alone. */
export function useList<Item, Name extends string, Beside extends string = never>(
  names: readonly Name[],
  load: (filters: Record<Name, string>, cursor: string | null) => Promise<Page<Item>>,
  beside: readonly Beside[] = [],
) {
  const filters = useAddressFilters<Name | Beside>([...names, ...beside]);
  const chosen = () =>
    Object.fromEntries(names.map((name) => [name, filters[name]])) as Record<Name, string>;
  const pages = useCursorPages((cursor) => load(chosen(), cursor));
  const again = debounced(() => void pages.restart(), 250);
  watch(
    () => Object.values(chosen()),
    () => again(),
  );
  void pages.restart();
  return {
    filters,
    pages,
    /** The filters alone, as they are now. */
    chosen,
    /** Whether a filter leaves something out. */
    narrowed: computed(() => names.some((name) => Boolean(filters[name]))),
    clear: () => names.forEach((name) => ((filters as Record<Name, string>)[name] = "")),
  };
}

/** The days from `from` to `to` of an address as a date picker wants them; both or neither. */
export function useDays(filters: MaybeRefOrGetter<Record<"from" | "to", string>>) {
  return computed<string[] | null>({
    get: () => {
      const { from, to } = toValue(filters);
      return from && to ? [from, to] : null;
    },
    set: (days) => Object.assign(toValue(filters), { from: days?.[0] ?? "", to: days?.[1] ?? "" }),
  });
}

/** The words in a list's search field; the filter `q` has them without spaces around them. */
export function useWords(filters: Record<"q", string>) {
  const words = ref(filters.q);
  watch(words, (now) => (filters.q = now.trim()));
  watch(
    () => filters.q,
    (now) => {
      if (now !== words.value.trim()) words.value = now;
    },
  );
  return words;
}

/** A file that is being made and saved, and whether it still is. */
export function useExport(save: () => Promise<void>, said = "已导出") {
  const exporting = ref(false);
  async function run(): Promise<void> {
    exporting.value = true;
    await attempt(save, said);
    exporting.value = false;
  }
  return { exporting, run };
}
