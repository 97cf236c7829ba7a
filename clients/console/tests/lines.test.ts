import type { Message, Outgoing } from "@zhenjian/realtime";
import { describe, expect, it } from "vitest";
import { linesOf } from "@/chat/lines";

function message(
  seq: number,
  sender: string | null,
  at: string,
  more: Partial<Message> = {},
): Message {
  return {
    room: "r",
    seq,
    id: `m${seq}`,
    kind: sender ? "text" : "system",
    sender: sender ? { user_id: sender, name: sender, role: "patient" } : null,
    client_id: null,
    body: sender ? { text: String(seq) } : { event: "accepted", text: "医生已接诊" },
    reply_to: null,
    at,
    recalled: false,
    ...more,
  };
}

describe("a conversation", () => {
  it("joins what one person says in a row and puts the state on the last", () => {
    const lines = linesOf(
      [
        message(1, "a", "2026-11-20T01:00:00Z"),
        message(2, "a", "2026-11-20T01:01:00Z"),
        message(3, "b", "2026-11-20T01:01:30Z"),
        message(4, "b", "2026-11-20T01:20:00Z"),
      ],
      [],
    ).filter((line) => line.kind === "message");
    expect(lines.map((line) => line.joined)).toEqual([false, true, false, false]);
    expect(lines.map((line) => line.last)).toEqual([false, true, true, true]);
  });

  it("says the day once, also across midnight", () => {
    const days = linesOf(
      [
        message(1, "a", "2026-11-19T15:59:00Z"),
        message(2, "a", "2026-11-19T16:01:00Z"),
        message(3, "a", "2026-11-19T16:02:00Z"),
      ],
      [],
    ).filter((line) => line.kind === "day");
    expect(days).toHaveLength(2);
  });

  it("shows a recall at the recalled message, not a second time", () => {
    const recall = message(2, null, "2026-11-20T01:01:00Z", {
      body: { event: "recalled", text: "撤回了一条消息", seq: 1 },
    });
    const lines = linesOf(
      [message(1, "a", "2026-11-20T01:00:00Z", { recalled: true }), recall],
      [],
    );
    expect(lines.filter((line) => line.kind === "message")).toHaveLength(1);
  });

  it("keeps the key of a message from its preview on, so that it does not flicker", () => {
    const entry = { client_id: "c1", room: "r", kind: "text" } as Outgoing;
    const before = linesOf([], [entry])[0]?.key;
    const arrived = message(1, "a", "2026-11-20T01:00:00Z", { client_id: "c1" });
    expect(linesOf([arrived], []).find((line) => line.kind === "message")?.key).toBe(before);
  });
});
