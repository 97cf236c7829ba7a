/** One alert for a burst of words in a room. */
export const BURST_MS = 10_000;

/** Decides which words of a room ring; keeps when each room rang last. */
export class Bursts {
  private readonly last = new Map<string, number>();

  /** Whether a word that came at `now` (milliseconds) rings. */
  rings(room: string, now: number): boolean {
    const before = this.last.get(room);
    if (before !== undefined && now - before < BURST_MS) return false;
    this.last.set(room, now);
    return true;
  }
}
