import { describe, expect, it } from "vitest";
import { isOverdue, MonitorRooms, type MonitorRoom, type Wanted } from "@/supervise/monitor";
import { rowsInSight, scrollToRow } from "@/support/window";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const any: Wanted = {
  state: "",
  department: "",
  doctor: "",
  overdue: false,
  inCall: false,
  q: "",
  sort: "waits",
};

function room(n: number, change: Partial<MonitorRoom> = {}): MonitorRoom {
  return {
    id: `r${String(n).padStart(5, "0")}`,
    kind: "consultation",
    state: "active",
    seq: 1,
    subject: { title: `图文复诊 · 患${n}`, consultation_id: null },
    lead_id: `d${n % 7}`,
    department_id: `k${n % 3}`,
    department: `科${n % 3}`,
    members: [
      { user_id: `p${n}`, name: `患${n}`, role: "patient", presence: "offline" },
      { user_id: `d${n % 7}`, name: `医${n % 7}`, role: "doctor", presence: "online" },
    ],
    opened_at: "2026-11-21T09:00:00Z",
    last_at: "2026-11-21T09:30:00Z",
    last_word: null,
    waits_since: null,
    call: null,
    ...change,
  };
}

describe("a virtual list", () => {
  it("draws a screenful of three thousand rows, wherever one is", () => {
    for (const scrollTop of [0, 1, 63, 64, 50_000, 3000 * 64 - 640, 1_000_000]) {
      const rows = rowsInSight(3000, 64, scrollTop, 640);
      expect(rows.end - rows.first).toBeLessThanOrEqual(10 + 1 + 16);
      expect(rows.height).toBe(3000 * 64);
      expect(rows.above).toBe(rows.first * 64);
    }
  });

  it("covers what is in sight at every position", () => {
    for (let top = 0; top <= 200 * 30 - 300; top += 7) {
      const rows = rowsInSight(200, 30, top, 300, 2);
      expect(rows.first * 30).toBeLessThanOrEqual(top);
      expect(rows.end * 30).toBeGreaterThanOrEqual(top + 300);
    }
  });

  it("draws nothing of nothing and all of a few", () => {
    expect(rowsInSight(0, 64, 0, 640)).toEqual({ first: 0, end: 0, above: 0, height: 0 });
    const few = rowsInSight(3, 64, 500, 640);
    expect([few.first, few.end]).toEqual([0, 3]);
  });

  it("moves only as far as a row needs to be seen", () => {
    expect(scrollToRow(5, 50, 0, 500)).toBe(0);
    expect(scrollToRow(10, 50, 0, 500)).toBe(50);
    expect(scrollToRow(2, 50, 300, 500)).toBe(100);
  });
});

describe("the rooms of the monitor", () => {
  it("takes the newer of page and change, whichever came first", () => {
    const rooms = new MonitorRooms();
    rooms.put([room(1, { seq: 5, state: "active" })]);
    rooms.put([room(1, { seq: 3, state: "waiting" })]);
    expect(rooms.get("r00001")?.seq).toBe(5);
    rooms.drop(["r00001"]);
    rooms.put([room(1, { seq: 6 })]);
    expect(rooms.size).toBe(0);
    rooms.restart();
    rooms.put([room(1)]);
    expect(rooms.size).toBe(1);
  });

  it("says overdue when the patient's word waits longer than the setting, in active rooms only", () => {
    const late = room(1, { waits_since: "2026-11-21T09:49:59Z" });
    expect(isOverdue(late, NOW, 600)).toBe(true);
    expect(isOverdue({ ...late, waits_since: "2026-11-21T09:50:00Z" }, NOW, 600)).toBe(false);
    expect(isOverdue({ ...late, state: "waiting" }, NOW, 600)).toBe(false);
    expect(isOverdue({ ...late, waits_since: null }, NOW, 600)).toBe(false);
  });

  it("filters and sorts thousands", () => {
    const rooms = new MonitorRooms();
    rooms.put(Array.from({ length: 3000 }, (_, n) => room(n)));
    rooms.put([
      room(7, { seq: 2, waits_since: "2026-11-21T09:10:00Z" }),
      room(8, { seq: 2, waits_since: "2026-11-21T09:05:00Z" }),
      room(9, {
        seq: 2,
        call: { state: "active", media: "video", since: "2026-11-21T09:55:00Z", quality: null },
      }),
    ]);
    const ids = (wanted: Partial<Wanted>) =>
      rooms.list({ ...any, ...wanted }, NOW, 600).map((one) => one.id);
    expect(ids({}).slice(0, 2)).toEqual(["r00008", "r00007"]);
    expect(ids({}).length).toBe(3000);
    expect(ids({ overdue: true })).toEqual(["r00008", "r00007"]);
    expect(ids({ inCall: true })).toEqual(["r00009"]);
    expect(ids({ doctor: "d3" }).length).toBe(429);
    expect(ids({ department: "k1", q: "患2999" })).toEqual([]);
    expect(ids({ q: "患2999" })).toEqual(["r02999"]);
    expect(rooms.counts(NOW, 600)).toEqual({ open: 3000, waiting: 0, overdue: 2, inCall: 1 });
    expect(rooms.choices().departments.map(([, name]) => name)).toEqual(["科0", "科1", "科2"]);
  });

  it("shows who comes and goes without touching other rooms", () => {
    const rooms = new MonitorRooms();
    rooms.put([room(1), room(2)]);
    const second = rooms.get("r00002");
    rooms.applyPresence({ p1: "online" });
    expect(rooms.get("r00001")?.members[0]?.presence).toBe("online");
    expect(rooms.get("r00002")).toBe(second);
  });
});
