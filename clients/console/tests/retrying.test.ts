import { describe, expect, it, vi } from "vitest";
import { effectScope, nextTick } from "vue";
import { Problem } from "@/api/problem";
import { markText } from "@/records/api";
import { pauseAfter, useRetrying } from "@/records/retrying";

const silent = new Problem("his_unreachable", 503, "没有应答");

describe("asking the hospital again", () => {
  it("pauses longer after each failure, up to a minute, and as long as the server says", () => {
    expect([1, 2, 3, 4, 5, 9].map((n) => pauseAfter(silent, n))).toEqual([5, 10, 20, 40, 60, 60]);
    const busy = new Problem("his_busy", 503, "人较多", null, [], 90);
    expect(pauseAfter(busy, 1)).toBe(90);
  });

  it("does not ask again what was refused", () => {
    expect(pauseAfter(new Problem("his_refused", 502, "拒绝"), 1)).toBeNull();
    expect(pauseAfter(new Problem("his_reason_ended", 409, "已结束"), 1)).toBeNull();
  });

  it("goes on by itself until an answer comes, and not after its page is gone", async () => {
    vi.useFakeTimers();
    const answers = [silent, silent, "报告"];
    const load = vi.fn(async () => {
      const next = answers.shift();
      if (next instanceof Problem) throw next;
      return next ?? "更多";
    });
    const scope = effectScope();
    const found = scope.run(() => useRetrying(load))!;
    await vi.advanceTimersByTimeAsync(0);
    await nextTick();
    expect(found.again.value).toBe(5);
    await vi.advanceTimersByTimeAsync(5000);
    await nextTick();
    expect([load.mock.calls.length, found.again.value]).toEqual([2, 10]);
    await vi.advanceTimersByTimeAsync(10_000);
    await nextTick();
    expect([found.data.value, found.again.value]).toEqual(["报告", null]);
    answers.push(silent);
    await found.reload();
    await nextTick();
    scope.stop();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(load).toHaveBeenCalledTimes(4);
    vi.useRealTimers();
  });
});

describe("marks of results", () => {
  it("are words and arrows, and nothing for what is normal or unknown", () => {
    expect(markText("high")).toBe("↑");
    expect(markText("critical_low")).toBe("↓↓ 危急");
    expect([markText("normal"), markText(null)]).toEqual(["", ""]);
  });
});
