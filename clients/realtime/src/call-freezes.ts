const EVERY_MS = 10000;

export interface FreezeHandlers {
  /** WebRTC statistics of the session; null without one. */
  stats(): Promise<RTCStatsReport> | null;
  /** After each look: how often pictures stood still since the last one, and for how long altogether. */
  looked(freezes: number, frozenMs: number): void;
}

interface Counted {
  freezes: number;
  seconds: number;
}

/** Counts from the browser's statistics how often the pictures of the others stand still. */
export class FreezeWatch {
  private timer: ReturnType<typeof setInterval> | null = null;
  private known = new Map<string, Counted>();

  constructor(private readonly handlers: FreezeHandlers) {}

  start(): void {
    this.timer ??= setInterval(() => void this.look(), EVERY_MS);
  }

  /** The session is over: the next one counts from zero. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.known.clear();
  }

  private async look(): Promise<void> {
    const report = await this.handlers.stats()?.catch(() => null);
    if (!report || this.timer === null) return;
    let freezes = 0;
    let seconds = 0;
    report.forEach((entry: RTCInboundRtpStreamStats & Partial<Record<string, unknown>>) => {
      if (entry.type !== "inbound-rtp" || entry.kind !== "video") return;
      const now = {
        freezes: Number(entry["freezeCount"] ?? 0),
        seconds: Number(entry["totalFreezesDuration"] ?? 0),
      };
      const before = this.known.get(entry.id) ?? { freezes: 0, seconds: 0 };
      this.known.set(entry.id, now);
      // A stream that begins anew counts from zero.
      freezes += now.freezes >= before.freezes ? now.freezes - before.freezes : now.freezes;
      seconds += now.seconds >= before.seconds ? now.seconds - before.seconds : now.seconds;
    });
    this.handlers.looked(freezes, Math.min(Math.round(seconds * 1000), 6 * EVERY_MS));
  }
}
