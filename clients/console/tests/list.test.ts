import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createApp, defineComponent, nextTick } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";
import type { Page } from "@/api/types";
import { useDays, useList, useWords } from "@/support/list";

type Asked = { q: string; from: string; to: string };
const asked: { given: Asked; cursor: string | null }[] = [];

async function opened(address: string) {
  let made: (ReturnType<typeof list> & { words: { value: string } }) | null = null;
  const list = () =>
    useList(
      ["q", "from", "to"],
      (given: Asked, cursor): Promise<Page<number>> => {
        asked.push({ given, cursor });
        return Promise.resolve({ items: [asked.length], next: "b" });
      },
      ["open"],
    );
  const page = defineComponent({
    setup() {
      const found = list();
      made = { ...found, words: useWords(found.filters) };
      return () => null;
    },
  });
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/list", name: "list", component: page }],
  });
  await router.push(address);
  createApp(page).use(router).mount(document.createElement("div"));
  await nextTick();
  return { ...made!, router };
}
const settled = () => vi.advanceTimersByTimeAsync(300);

describe("a list with filters", () => {
  beforeEach(() => {
    asked.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  it("asks at once for what the address says, and begins anew when a filter changes", async () => {
    const { filters, pages, narrowed, clear } = await opened("/list?q=云");
    expect(asked).toEqual([{ given: { q: "云", from: "", to: "" }, cursor: null }]);
    expect(narrowed.value).toBe(true);
    await settled();
    await pages.forward();
    expect(asked.at(-1)?.cursor).toBe("b");
    filters.from = "2026-11-01";
    await settled();
    expect(asked.at(-1)).toEqual({ given: { q: "云", from: "2026-11-01", to: "" }, cursor: null });
    expect(pages.number.value).toBe(1);
    clear();
    await settled();
    expect(asked.at(-1)?.given).toEqual({ q: "", from: "", to: "" });
    expect(narrowed.value).toBe(false);
  });

  it("is left alone by what is open beside it, which stands in the address too", async () => {
    const { filters, router } = await opened("/list");
    filters.open = "7";
    await settled();
    expect(asked).toHaveLength(1);
    expect(router.currentRoute.value.query).toEqual({ open: "7" });
  });

  it("takes days in pairs and words without the spaces around them", async () => {
    const { filters, words } = await opened("/list?q=云");
    const days = useDays(filters);
    days.value = ["2026-11-01", "2026-11-02"];
    expect([filters.from, filters.to]).toEqual(["2026-11-01", "2026-11-02"]);
    days.value = null;
    expect([filters.from, filters.to]).toEqual(["", ""]);
    words.value = " 云 南 ";
    await settled();
    expect([filters.q, words.value]).toEqual(["云 南", " 云 南 "]);
    filters.q = "";
    await settled();
    expect(words.value).toBe("");
  });
});
