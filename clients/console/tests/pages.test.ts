import { describe, expect, it } from "vitest";
import { Problem } from "@/api/problem";
import type { Page } from "@/api/types";
import { pagesOf } from "@/shell/pages";
import { useCursorPages } from "@/support/pages";

const names = (role: Parameters<typeof pagesOf>[0]) => pagesOf(role).map((page) => page.name);

describe("the menu", () => {
  it("offers each role what it may do and nothing else", () => {
    expect(names("doctor")).toContain("reception");
    expect(names("doctor")).not.toContain("settings");
    expect(names("supervisor")).toContain("audit");
    expect(names("supervisor")).not.toContain("reception");
    expect(names("administrator")).toContain("settings");
    expect(names("operator")).toContain("system");
    expect(names("operator")).not.toContain("consultations");
    expect(names("nurse")).toContain("signing");
    expect(names("nurse")).toEqual(expect.arrayContaining(["reception", "nursing-settings"]));
    expect(names("nurse")).not.toContain("my-services");
    expect(names("pharmacist")).not.toContain("nursing-settings");
    expect(names(null)).toEqual([]);
  });
});

describe("a list behind cursors", () => {
  const data: Record<string, Page<number>> = {
    "": { items: [1, 2], next: "b" },
    b: { items: [3, 4], next: "c" },
    c: { items: [5], next: null },
  };
  const load = (cursor: string | null) => Promise.resolve(data[cursor ?? ""] as Page<number>);

  it("goes forward and back", async () => {
    const pages = useCursorPages(load);
    await pages.restart();
    await pages.forward();
    await pages.forward();
    expect(pages.items.value).toEqual([5]);
    expect(pages.hasNext.value).toBe(false);
    await pages.back();
    expect(pages.items.value).toEqual([3, 4]);
    expect(pages.number.value).toBe(2);
    await pages.restart();
    expect(pages.items.value).toEqual([1, 2]);
    expect(pages.hasPrevious.value).toBe(false);
  });

  it("shows the answer to the last question, whichever arrives last", async () => {
    const waiting: ((page: Page<number>) => void)[] = [];
    const pages = useCursorPages(() => new Promise<Page<number>>((done) => waiting.push(done)));
    const first = pages.restart();
    const second = pages.restart();
    waiting[1]?.({ items: [2], next: null });
    waiting[0]?.({ items: [1], next: null });
    await Promise.all([first, second]);
    expect(pages.items.value).toEqual([2]);
  });

  it("keeps the page on screen when turning it fails", async () => {
    let broken = false;
    const pages = useCursorPages((cursor) =>
      broken ? Promise.reject(new Problem("offline", 0, "断网")) : load(cursor),
    );
    await pages.restart();
    broken = true;
    await pages.forward();
    expect(pages.items.value).toEqual([1, 2]);
    expect(pages.problem.value?.offline).toBe(true);
  });
});
