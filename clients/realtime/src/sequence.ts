/** What {@link SequenceLog.accept} did with a batch. */
export interface Accepted<T> {
  /** Items that became part of the contiguous run, in order. */
  delivered: T[];
  /** Set when items wait behind a hole: fetch everything after this sequence number. */
  missingAfter: number | null;
}

/**
 * A contiguous, ordered window of numbered items. Items may arrive twice, late and out of order; they are
 * delivered once each, in order, and never past a hole. Pure: it neither fetches nor waits.
 */
export class SequenceLog<T extends { seq: number }> {
  private run: T[] = [];
  private end: number | null = null;
  private readonly ahead = new Map<number, T>();

  /** Items of the window, oldest first. The array is replaced, never changed, by each call. */
  get items(): readonly T[] {
    return this.run;
  }

  /** Last sequence number of the run; null until {@link reset} or {@link startAfter} fixed a start. */
  get last(): number | null {
    return this.end;
  }

  get first(): number | null {
    return this.run[0]?.seq ?? null;
  }

  /** Number of items that wait behind a hole. */
  get waiting(): number {
    return this.ahead.size;
  }

  /** Begins an empty window after `seq`. */
  startAfter(seq: number): Accepted<T> {
    this.run = [];
    this.end = seq;
    return this.drain([]);
  }

  /** Replaces the window by a contiguous page; items that waited and fit are appended. */
  reset(page: readonly T[], emptyEnd = 0): Accepted<T> {
    const sorted = [...page].sort((a, b) => a.seq - b.seq);
    this.run = sorted;
    this.end = sorted[sorted.length - 1]?.seq ?? emptyEnd;
    return this.drain([]);
  }

  accept(batch: readonly T[]): Accepted<T> {
    for (const item of batch) {
      if (this.end === null || item.seq > this.end) this.ahead.set(item.seq, item);
    }
    return this.drain([]);
  }

  /** Puts an older page before the window and returns what was added; a page that leaves a hole adds nothing. */
  prepend(page: readonly T[]): T[] {
    const first = this.first ?? (this.end === null ? null : this.end + 1);
    if (first === null) return [];
    const older = [...page].filter((item) => item.seq < first).sort((a, b) => a.seq - b.seq);
    const added: T[] = [];
    let expected = first - 1;
    for (let i = older.length - 1; i >= 0; i -= 1) {
      const item = older[i];
      if (!item || item.seq !== expected) break;
      added.unshift(item);
      expected -= 1;
    }
    if (added.length > 0) this.run = [...added, ...this.run];
    return added;
  }

  /** Changes one item in place of the window (a recall); returns whether it is there. */
  change(seq: number, change: (item: T) => T): boolean {
    const first = this.first;
    if (first === null) return false;
    const index = seq - first;
    const item = this.run[index];
    if (!item || item.seq !== seq) return false;
    const next = this.run.slice();
    next[index] = change(item);
    this.run = next;
    return true;
  }

  get(seq: number): T | null {
    const first = this.first;
    if (first === null) return null;
    return this.run[seq - first] ?? null;
  }

  private drain(delivered: T[]): Accepted<T> {
    if (this.end === null) return { delivered, missingAfter: null };
    let end = this.end;
    for (let item = this.ahead.get(end + 1); item; item = this.ahead.get(end + 1)) {
      delivered.push(item);
      this.ahead.delete(item.seq);
      end = item.seq;
    }
    for (const seq of [...this.ahead.keys()]) if (seq <= end) this.ahead.delete(seq);
    this.end = end;
    if (delivered.length > 0) this.run = [...this.run, ...delivered];
    return { delivered, missingAfter: this.ahead.size > 0 ? end : null };
  }
}
