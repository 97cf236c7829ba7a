import { Bursts, BURST_MS } from "@zhenjian/realtime";
import { describe, expect, it } from "vitest";
import { clockOf, minutesOf } from "@/notifications/api";

describe("new words of a room", () => {
  it("ring once for a burst, in each room by itself", () => {
    const bursts = new Bursts();
    expect(bursts.rings("a", 0)).toBe(true);
    expect(bursts.rings("a", BURST_MS - 1)).toBe(false);
    expect(bursts.rings("b", 5)).toBe(true);
    expect(bursts.rings("a", BURST_MS)).toBe(true);
  });
});

describe("quiet hours", () => {
  it("are minutes on the wire and a clock on the screen", () => {
    for (const minutes of [0, 59, 60, 22 * 60 + 30, 1439])
      expect(minutesOf(clockOf(minutes))).toBe(minutes);
    expect(clockOf(7 * 60)).toBe("07:00");
  });
});
