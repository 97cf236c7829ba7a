import { IDLE, type CallStatus } from "./call-types";

/** How the call stands, shared by its parts: whoever changes it, all see it. */
export class LiveStatus {
  private current: CallStatus = IDLE;

  constructor(private readonly changed: (status: CallStatus) => void) {}

  get now(): CallStatus {
    return this.current;
  }

  /** The call's id. */
  get call(): string | undefined {
    return this.current.call?.id;
  }

  /** Another call may begin. */
  get free(): boolean {
    return this.current.phase === "idle" || this.current.phase === "ended";
  }

  get talking(): boolean {
    const { phase } = this.current;
    return phase === "connecting" || phase === "connected" || phase === "reconnecting";
  }

  set(status: CallStatus): void {
    this.current = status;
    this.changed(status);
  }

  change(part: Partial<CallStatus>): void {
    this.set({ ...this.current, ...part });
  }
}
