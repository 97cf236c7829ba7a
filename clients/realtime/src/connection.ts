import { Emitter } from "./emitter";
import { RealtimeError } from "./errors";
import { pauseBeforeRenewal } from "./renewal";
import { socketIoPort, type SocketFactory, type SocketPort } from "./socket";

/**
 * - `connecting`: the first connection is being made.
 * - `online`: connected; everything is live.
 * - `reconnecting`: the connection was lost and is being restored; sends are queued.
 * - `refused`: the server wants a new login or a second factor (`reason` is one of `REFUSALS`);
 *   `connect` tries again once that is settled.
 */
export type ConnectionPhase = "idle" | "connecting" | "online" | "reconnecting" | "refused";

/** Codes after which only a new login helps. */
export const REFUSALS: ReadonlySet<string> = new Set([
  "session_revoked",
  "session_idle",
  "session_over",
  "unauthenticated",
  "second_factor_required",
  "password_change_required",
]);

export interface ConnectionState {
  phase: ConnectionPhase;
  reason: string | null;
  /** When the connection was lost (ms since 1970), for a banner that waits a moment. */
  since: number;
}

export interface ConnectionOptions {
  url: string;
  path?: string;
  device: string;
  token: () => string | Promise<string>;
  refresh: () => Promise<string>;
  transports?: unknown[];
  createSocket?: SocketFactory;
  /** Default 10 s. */
  ackTimeoutMs?: number;
}

interface ConnectionEvents {
  state: ConnectionState;
  online: { again: boolean };
  event: { name: string; payload: unknown };
}

/** One living Socket.IO connection: tokens, refusals and retries. It knows no rooms. */
export class Connection extends Emitter<ConnectionEvents> {
  private current: ConnectionState = { phase: "idle", reason: null, since: 0 };
  private readonly port: SocketPort;
  private readonly options: ConnectionOptions;
  private wasOnline = false;
  private wanted = false;
  /** With which word the server ended the connection that is about to break. */
  private ended: string | null = null;
  private token = "";
  private renewal: ReturnType<typeof setTimeout> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private attempts = 0;
  private refreshing: Promise<string> | null = null;
  private freshToken: string | null = null;

  constructor(options: ConnectionOptions) {
    super();
    this.options = options;
    const create = options.createSocket ?? socketIoPort;
    this.port = create(
      {
        url: options.url,
        path: options.path ?? "/socket.io",
        transports: options.transports ?? ["websocket"],
        auth: async () => {
          this.token = this.freshToken ?? (await options.token());
          this.freshToken = null;
          return { token: this.token, device: options.device };
        },
      },
      {
        connected: () => this.onConnected(),
        disconnected: (reason, retrying) => this.onDisconnected(reason, retrying),
        refused: (data) => void this.onRefused(data),
        event: (name, payload) => this.onEvent(name, payload),
      },
    );
  }

  get state(): ConnectionState {
    return this.current;
  }

  get online(): boolean {
    return this.current.phase === "online";
  }

  connect(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.ended = null;
    this.set(this.wasOnline ? "reconnecting" : "connecting", null);
    this.port.connect();
  }

  disconnect(): void {
    this.wanted = false;
    this.stopTimers();
    this.port.close();
    this.set("idle", null);
  }

  /** Try now: the network came back or the page became visible. */
  wake(): void {
    if (!this.wanted || this.port.connected || this.current.phase === "refused") return;
    this.stopRetry();
    this.port.close();
    this.port.connect();
  }

  /** Puts a new access token on the living connection; one that it has already changes nothing. */
  async renew(token: string): Promise<void> {
    if (this.online && token !== this.token) await this.replace(token);
  }

  private async replace(token: string): Promise<void> {
    await this.ask("session:renew", { token });
    this.token = token;
    this.planRenewal();
  }

  /**
   * Sends and waits for the acknowledgement.
   * @throws RealtimeError with the server's code, or "offline" or "timeout".
   */
  async request<T>(event: string, payload: object): Promise<T> {
    try {
      return await this.ask<T>(event, payload);
    } catch (error) {
      if (!(error instanceof RealtimeError) || error.code !== "token_expired") throw error;
      await this.replace(await this.refresh());
      return this.ask<T>(event, payload);
    }
  }

  private async ask<T>(event: string, payload: object): Promise<T> {
    if (!this.port.connected) throw new RealtimeError("offline", "连接已断开");
    const answer = await this.port.request(event, payload, this.options.ackTimeoutMs ?? 10000);
    const reply = answer as {
      ok?: boolean;
      error?: { code?: string; message?: string; details?: Record<string, unknown> };
    } | null;
    if (reply?.ok) return reply as T;
    const refusal = reply?.error;
    throw new RealtimeError(
      refusal?.code ?? "failed",
      refusal?.message ?? "服务器拒绝了请求",
      refusal?.details ?? {},
    );
  }

  private refresh(): Promise<string> {
    this.refreshing ??= this.options.refresh().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private onConnected(): void {
    this.attempts = 0;
    this.ended = null;
    this.stopRetry();
    const again = this.wasOnline;
    this.wasOnline = true;
    this.planRenewal();
    this.set("online", null);
    this.emit("online", { again });
  }

  private onDisconnected(reason: string, retrying: boolean): void {
    if (!this.wanted || this.current.phase === "refused") return;
    this.stopTimers();
    const code = this.ended;
    this.ended = null;
    if (code !== null) {
      // The port would come back by itself, at once and with the old token.
      this.port.close();
      void this.onRefused({ code });
      return;
    }
    this.set(this.wasOnline ? "reconnecting" : "connecting", reason);
    if (!retrying) this.connectLater();
  }

  private async onRefused(data: { code: string; retry_after?: number }): Promise<void> {
    if (!this.wanted) return;
    if (REFUSALS.has(data.code)) {
      this.refuse(data.code);
      return;
    }
    this.set(this.wasOnline ? "reconnecting" : "connecting", data.code);
    if (data.code !== "token_expired") {
      this.connectLater(data.retry_after);
      return;
    }
    try {
      this.freshToken = await this.refresh();
    } catch (error) {
      // A refusal to refresh ends the session; a failed network is tried again.
      const code = (error as { code?: unknown } | null)?.code;
      if (typeof code === "string" && REFUSALS.has(code)) this.refuse(code);
      else this.connectLater();
      return;
    }
    if (this.wanted) this.port.connect();
  }

  private onEvent(name: string, payload: unknown): void {
    if (name === "session:revoked") {
      this.ended = (payload as { code?: string } | null)?.code ?? "session_revoked";
    }
    this.emit("event", { name, payload });
  }

  private refuse(reason: string): void {
    this.wanted = false;
    this.stopTimers();
    this.set("refused", reason);
    this.port.close();
  }

  /** A courtesy: without it the server ends the connection, and the token is refreshed then. */
  private planRenewal(): void {
    if (this.renewal !== null) clearTimeout(this.renewal);
    this.renewal = null;
    const pause = pauseBeforeRenewal(this.token);
    if (pause === null) return;
    this.renewal = setTimeout(() => {
      this.renewal = null;
      this.refresh()
        .then((token) => this.renew(token))
        .catch(() => undefined);
    }, pause);
  }

  private connectLater(seconds?: number): void {
    this.stopRetry();
    const backoff = Math.min(10000, 400 * 2 ** this.attempts) * (0.5 + Math.random() / 2);
    // Those who were told the same time do not come back in the same moment.
    const asked = (seconds ?? 0) * 1000 * (1 + Math.random() / 4);
    this.attempts += 1;
    this.retry = setTimeout(
      () => {
        this.retry = null;
        if (this.wanted) this.port.connect();
      },
      Math.max(backoff, asked),
    );
  }

  private stopRetry(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
  }

  private stopTimers(): void {
    this.stopRetry();
    if (this.renewal !== null) clearTimeout(this.renewal);
    this.renewal = null;
  }

  private set(phase: ConnectionPhase, reason: string | null): void {
    if (this.current.phase === phase && this.current.reason === reason) return;
    const since = this.current.phase === phase ? this.current.since : Date.now();
    this.current = { phase, reason, since };
    this.emit("state", this.current);
  }
}
