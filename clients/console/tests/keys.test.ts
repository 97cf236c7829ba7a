import { describe, expect, it } from "vitest";
import type { KeyRun } from "@/api/keys";
import { runText, runTitle, WARNINGS } from "@/manage/keys-labels";

const NOW = Date.parse("2026-11-20T01:00:00Z");
const part = { target: "room_messages", total: 10, seen: 5, changed: 5, failed: 0, error: null };

function run(changes: Partial<KeyRun> = {}): KeyRun {
  return {
    id: "1",
    kind: "rotate",
    hospital: null,
    state: "running",
    started_at: "2026-11-20T00:50:00Z",
    begin_at: "2026-11-20T00:55:30Z",
    finished_at: null,
    started_by: "管一成",
    done: 0.5,
    failed: 0,
    parts: [
      { ...part, target: "users", finished: true },
      { ...part, finished: false },
    ],
    ...changes,
  };
}

describe("a change of keys", () => {
  it("says whose keys it changes", () => {
    expect(runTitle(run())).toBe("更换数据密钥");
    expect(runTitle(run({ hospital: "仁和医院" }))).toBe("更换仁和医院的数据密钥");
    expect(runTitle(run({ kind: "convert" }))).toBe("加密早期文件");
  });

  it("says what is happening now", () => {
    expect(runText(run({ begin_at: "2026-11-20T01:00:30Z" }), NOW)).toContain("新密钥正在下发");
    expect(runText(run(), NOW)).toBe("正在处理：诊间消息");
    expect(runText(run({ state: "done" }), NOW)).toBe("已完成，重新加密 10 项");
    expect(runText(run({ state: "done", failed: 2 }), NOW)).toContain("2 项未完成");
  });
});

describe("warnings", () => {
  it("each say what to do", () => {
    for (const warning of Object.values(WARNINGS)) {
      expect(warning.title).not.toBe("");
      expect(warning.remedy).not.toBe("");
    }
  });
});
