import { describe, expect, it } from "vitest";
import { chaptersOf, lastBefore, offsetOf, subtitleAt, type RecordingPage } from "../src/playback";
import type { Message } from "../src/types";

const page = {
  recording: { started_at: "2026-11-20T01:00:00Z", duration_ms: 60_000, files: [] },
  origin_at: "2026-11-20T01:00:02Z",
  people: [
    { user_id: "d", role: "doctor", name: "周医生" },
    { user_id: "p", role: "patient", name: "陈安和" },
  ],
  moments: [
    { at_ms: 20_000, kind: "screen_on", user: "d" },
    { at_ms: 100, kind: "joined", user: "p" },
    { at_ms: 5_000, kind: "camera_off", user: "p" },
  ],
  gaps: [{ from_ms: 30_000, to_ms: 34_000, user: null }],
  chapters: [],
} as unknown as RecordingPage;

const message = (at: string, more: object): Message =>
  ({ seq: 1, at, recalled: false, kind: "text", body: {}, sender: null, ...more }) as never;

describe("a recording's chapters", () => {
  it("lie in order: people, screens, cards, gaps, what was taken back", () => {
    const found = chaptersOf(page, [
      message("2026-11-20T01:00:42Z", { kind: "card", body: { type: "prescription" } }),
      message("2026-11-20T01:00:12Z", { recalled: true, sender: { name: "陈安和" } }),
      message("2026-11-20T01:00:13Z", { body: { text: "头还痛" } }),
    ]);
    expect(found.map((one) => [one.at_ms, one.text])).toEqual([
      [0, "开始"],
      [100, "陈安和进入通话"],
      [10_000, "陈安和撤回消息"],
      [20_000, "周医生开始共享屏幕"],
      [30_000, "全部画面中断 4 秒"],
      [40_000, "开具处方"],
    ]);
    expect([0, 19_999, 20_000].map((now) => lastBefore(found, now))).toEqual([0, 2, 3]);
  });

  it("of an upload are those that somebody wrote; one at the beginning takes its place", () => {
    const written = [
      { at_ms: 0, title: "准备" },
      { at_ms: 9_000, title: "袖带" },
    ];
    const film = { ...page, moments: [], gaps: [], people: [], chapters: written };
    expect(chaptersOf(film, []).map((one) => [one.at_ms, one.text])).toEqual([
      [0, "准备"],
      [9_000, "袖带"],
    ]);
  });

  it("counts from the first picture, not from the answer", () => {
    expect(offsetOf(page, "2026-11-20T01:00:03.500Z")).toBe(1500);
    expect(offsetOf(page, "2026-11-20T01:00:00Z")).toBe(0);
  });
});

describe("subtitles", () => {
  it("show what is being said at a moment, also of two at once, and nothing in a pause", () => {
    const lines = [
      { from_ms: 1000, to_ms: 3000, user: "d", text: "哪里不舒服" },
      { from_ms: 2500, to_ms: 2600, user: "p", text: "嗯" },
    ];
    const texts = (now: number) => subtitleAt(lines, now).map((one) => one.text);
    // A short word stays for half a second.
    expect([0, 2700, 3200].map(texts)).toEqual([[], ["哪里不舒服", "嗯"], []]);
  });
});
