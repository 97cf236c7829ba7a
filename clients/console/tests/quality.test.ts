import { describe, expect, it } from "vitest";
import type { CallReport, QualityMinute } from "@/quality/api";
import { callFilter, levelTag, linesOf, percent } from "@/quality/figures";

const minute = (user_id: string, at: string): QualityMinute => ({
  user_id,
  at,
  worst: 4,
  warning: null,
  rtt_ms: 40,
  loss: 0,
  jitter_ms: 3,
  bitrate: 900_000,
  paused_seconds: 0,
  freezes: 0,
  frozen_seconds: 0,
});

describe("the course of a call", () => {
  it("has one line a participant with a gap where somebody was away", () => {
    const report = {
      people: [
        { user_id: "d", role: "doctor", name: "陈安和", connect_ms: 300 },
        { user_id: "p", role: "patient", name: null, connect_ms: null },
      ],
      minutes: [
        minute("p", "2026-11-22T01:01:00Z"),
        minute("d", "2026-11-22T01:00:00Z"),
        minute("d", "2026-11-22T01:01:00Z"),
      ],
    } as CallReport;
    const { minutes, lines } = linesOf(report);
    expect(minutes).toEqual(["2026-11-22T01:00:00Z", "2026-11-22T01:01:00Z"]);
    expect(lines.map((one) => one.name)).toEqual(["陈安和", "患者"]);
    expect(lines[1]?.values.map((one) => one !== null)).toEqual([false, true]);
  });
});

describe("figures of calls", () => {
  it("say what was measured and nothing else", () => {
    expect([percent(null), percent(0), percent(0.004), percent(0.25)]).toEqual([
      "—",
      "0%",
      "0.4%",
      "25%",
    ]);
    expect([null, 1, 2, 4].map(levelTag)).toEqual(["info", "danger", "warning", "primary"]);
  });

  it("are asked for with what is set", () => {
    expect(callFilter({ from: "", level: "2" })).toEqual({ level: "2" });
  });
});
