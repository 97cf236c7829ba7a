import { reactive, watch } from "vue";
import { useRoute, useRouter } from "vue-router";

/** Filters that live in the address: back, reload and a copied link keep them. */
export function useAddressFilters<K extends string>(names: readonly K[]): Record<K, string> {
  const route = useRoute();
  const router = useRouter();
  const own = route.name;
  const read = () =>
    Object.fromEntries(names.map((name) => [name, String(route.query[name] ?? "")])) as Record<
      K,
      string
    >;
  const filters = reactive(read()) as Record<K, string>;
  watch(
    () => route.query,
    () => {
      if (route.name === own) Object.assign(filters, read());
    },
  );
  watch(filters, () => {
    if (route.name !== own) return;
    const query = Object.fromEntries(
      names.filter((name) => filters[name]).map((name) => [name, filters[name]]),
    );
    void router.replace({ query });
  });
  return filters;
}
