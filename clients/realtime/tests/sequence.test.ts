import { describe, expect, it } from "vitest";
import { SequenceLog } from "../src/sequence";

const items = (...seqs: number[]) => seqs.map((seq) => ({ seq }));
const seqs = (list: readonly { seq: number }[]) => list.map((item) => item.seq);

describe("a sequence log", () => {
  it("delivers in order whatever the order of arrival", () => {
    const log = new SequenceLog<{ seq: number }>();
    log.startAfter(0);
    expect(seqs(log.accept(items(1, 2)).delivered)).toEqual([1, 2]);
    const early = log.accept(items(5));
    expect(early.delivered).toEqual([]);
    expect(early.missingAfter).toBe(2);
    expect(seqs(log.accept(items(4, 3)).delivered)).toEqual([3, 4, 5]);
    expect(seqs(log.items)).toEqual([1, 2, 3, 4, 5]);
  });

  it("delivers an item once although it arrives twice", () => {
    const log = new SequenceLog<{ seq: number }>();
    log.startAfter(0);
    log.accept(items(1));
    expect(log.accept(items(1)).delivered).toEqual([]);
    log.accept(items(3));
    expect(seqs(log.accept(items(2, 3)).delivered)).toEqual([2, 3]);
  });

  it("keeps what arrives before its start is known", () => {
    const log = new SequenceLog<{ seq: number }>();
    log.accept(items(7));
    expect(log.items).toEqual([]);
    expect(seqs(log.reset(items(5, 6)).delivered)).toEqual([7]);
    expect(log.last).toBe(7);
  });

  it("takes an older page only when it fits without a hole", () => {
    const log = new SequenceLog<{ seq: number }>();
    log.reset(items(10, 11));
    expect(seqs(log.prepend(items(7, 8, 9)))).toEqual([7, 8, 9]);
    expect(log.prepend(items(4, 5))).toEqual([]);
    expect(log.first).toBe(7);
    expect(log.get(8)).toEqual({ seq: 8 });
    expect(log.get(99)).toBeNull();
  });

  it("ends in the full order for every shuffling with repetitions", () => {
    let state = 12345;
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % below;
    };
    for (let round = 0; round < 200; round += 1) {
      const log = new SequenceLog<{ seq: number }>();
      log.startAfter(0);
      const arrivals = Array.from({ length: 12 }, (_, i) => i + 1);
      for (let i = 0; i < 6; i += 1) arrivals.push(1 + random(12));
      for (let i = arrivals.length - 1; i > 0; i -= 1) {
        const j = random(i + 1);
        const swap = arrivals[i] as number;
        arrivals[i] = arrivals[j] as number;
        arrivals[j] = swap;
      }
      const delivered = arrivals.flatMap((seq) => seqs(log.accept(items(seq)).delivered));
      expect(delivered).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    }
  });
});
