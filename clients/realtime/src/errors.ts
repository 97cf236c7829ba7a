/** A named refusal by the server, or a named failure of the connection. */
export class RealtimeError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = "RealtimeError";
  }

  /** Seconds to wait before another try, when the server named them. */
  get retryAfter(): number | null {
    const value = this.details["retry_after"];
    return typeof value === "number" ? value : null;
  }

  /** The request may succeed later just as it is: the connection failed or the server was busy. */
  get transient(): boolean {
    return TRANSIENT.has(this.code);
  }

  /** The server failed without a reason that it knows: no verdict on what was asked. */
  get fault(): boolean {
    return this.code === "internal_error";
  }
}

const TRANSIENT = new Set([
  "offline",
  "timeout",
  "rate_limited",
  "overloaded",
  "token_expired",
  "service_unavailable",
]);

export function asRealtimeError(error: unknown): RealtimeError {
  if (error instanceof RealtimeError) return error;
  return new RealtimeError("failed", error instanceof Error ? error.message : String(error));
}
