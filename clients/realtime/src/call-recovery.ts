/** What may be asked for: a fresh path of the session that there is, or a fresh session. */
export type Remedy = "restart" | "join";

export interface RecoveryHandlers {
  /** Whether media flows, as far as the browser knows. */
  flows(): boolean;
  /** Asks the server; whether it heard it. Never rejects. */
  ask(remedy: Remedy): Promise<boolean>;
}

/**
 * What to do when media stops: a fresh path is asked for first, because everything else goes on meanwhile; a
 * fresh session when that did not help, again and again until one connects.
 */
export class CallRecovery {
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** This session has been connected: it has something to keep. */
  private established = false;
  private pathAsked = false;
  /** The network changed and the server has not heard of it yet. */
  private moved = false;

  constructor(
    private readonly handlers: RecoveryHandlers,
    private readonly patienceMs: number,
    private readonly pauseMs: number,
  ) {}

  /** A fresh session: browsers take long to call one failed that does not come up. */
  begun(): void {
    this.established = this.pathAsked = this.moved = false;
    this.soon(2 * this.patienceMs);
  }

  connected(): void {
    this.established = true;
    this.pathAsked = false;
    if (!this.moved) this.stop();
  }

  interrupted(state: "disconnected" | "failed"): void {
    const short = this.established && !this.pathAsked;
    this.soon(state === "failed" ? 0 : short ? this.pauseMs : this.patienceMs);
  }

  /** The device has another network, or one again: the browser may notice much later that the path is gone. */
  networkChanged(): void {
    if (!this.established) return;
    this.moved = true;
    this.pathAsked = false;
    this.soon(0);
  }

  /** The socket came back: what could not be asked for is asked for now. */
  onlineAgain(): void {
    if (this.moved || !this.handlers.flows()) this.soon(0);
  }

  soon(delay: number): void {
    this.stop();
    this.timer = setTimeout(() => void this.act(), delay);
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private async act(): Promise<void> {
    this.timer = null;
    if (!this.moved && this.handlers.flows()) return;
    const remedy = this.established && !this.pathAsked ? "restart" : "join";
    this.pathAsked = true;
    this.soon(this.patienceMs);
    const heard = await this.handlers.ask(remedy);
    if (heard) this.moved = false;
    else if (remedy === "restart") this.pathAsked = false;
  }
}
