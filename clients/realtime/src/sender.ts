import type { Connection } from "./connection";
import { asRealtimeError, type RealtimeError } from "./errors";
import { newClientId } from "./ids";
import type { Outgoing, OutgoingQueue } from "./queue";
import type { Message, MessageBody, MessageKind } from "./types";
import type { UploadStage } from "./uploads/resumable";

export type PrepareProgress = (share: number, stage?: UploadStage) => void;

export interface Draft {
  kind: MessageKind;
  /** Give the body, or `prepare` when something must be uploaded first. */
  body?: MessageBody;
  prepare?: (progress: PrepareProgress) => Promise<MessageBody>;
  /** Ends `prepare` when the message is given up. */
  cancel?: () => void;
  replyTo?: number | null;
  /** For the page's own preview while the message is under way. */
  local?: unknown;
}

/** What the sender needs to know of its room. */
export interface SenderRoom {
  readonly id: string;
  /** Joined and not left: messages may go out. */
  ready(): boolean;
  /** Last contiguous sequence number of the window. */
  last(): number | null;
  catchUp(): Promise<void>;
  changed(outgoing: Outgoing[]): void;
}

/** Seconds before another try, by what went wrong: the next connection asks by itself. */
const PAUSES: Record<string, number> = { offline: 0, timeout: 0.2 };

/** The way out of one room: uploads first, then one message after another, each until it is settled. */
export class Sender {
  private readonly preparations = new Map<string, Pick<Draft, "prepare" | "cancel">>();
  private pause: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly room: SenderRoom,
    private readonly connection: Connection,
    private readonly queue: OutgoingQueue,
  ) {}

  /** Shows the message at once and delivers it when it can; returns its client id. */
  send(draft: Draft): string {
    const entry: Outgoing = {
      client_id: newClientId(),
      room: this.room.id,
      kind: draft.kind,
      body: draft.body ?? null,
      reply_to: draft.replyTo ?? null,
      at: new Date().toISOString(),
      state: draft.body ? "queued" : "preparing",
      progress: draft.body ? 1 : 0,
      stage: "uploading",
      error: null,
      local: draft.local ?? null,
    };
    this.queue.add(entry);
    this.announce();
    if (draft.prepare) {
      const { prepare, cancel } = draft;
      this.preparations.set(entry.client_id, { prepare, ...(cancel ? { cancel } : {}) });
      void this.prepare(entry.client_id);
    } else {
      void this.flush();
    }
    return entry.client_id;
  }

  /** Tries a failed message again, under the same client id. */
  retry(clientId: string): void {
    const entry = this.queue.get(clientId);
    if (!entry || entry.state !== "failed") return;
    if (entry.body) {
      this.change(clientId, { state: "queued", error: null });
      void this.flush();
    } else if (this.preparations.has(clientId)) {
      this.change(clientId, { state: "preparing", error: null, progress: 0 });
      void this.prepare(clientId);
    }
  }

  /** Gives up a message that is not being sent right now. */
  discard(clientId: string): void {
    const entry = this.queue.get(clientId);
    if (!entry || entry.state === "sending") return;
    this.preparations.get(clientId)?.cancel?.();
    this.preparations.delete(clientId);
    this.queue.remove(clientId);
    this.announce();
  }

  /** The connection broke: what was under way is sent again. */
  suspend(): void {
    this.queue.requeue();
    this.announce();
  }

  stop(): void {
    if (this.pause !== null) clearTimeout(this.pause);
    this.pause = null;
  }

  /** Sends what is queued, one after another. */
  async flush(): Promise<void> {
    while (this.connection.online && this.room.ready()) {
      const entry = this.queue.next(this.room.id);
      if (!entry) return;
      this.change(entry.client_id, { state: "sending" });
      if (!(await this.deliverOne(entry))) return;
    }
  }

  /** Messages that arrived are no longer on their way. */
  confirm(messages: readonly Message[]): void {
    for (const message of messages) if (message.client_id) this.confirmOne(message.client_id);
  }

  private confirmOne(clientId: string): void {
    if (this.queue.remove(clientId)) this.announce();
  }

  private change(clientId: string, change: Partial<Outgoing>): void {
    if (this.queue.update(clientId, change)) this.announce();
  }

  private async prepare(clientId: string): Promise<void> {
    const prepare = this.preparations.get(clientId)?.prepare;
    if (!prepare) return;
    try {
      const body = await prepare((share, stage = "uploading") => {
        if (this.queue.get(clientId)?.state === "preparing")
          this.change(clientId, { progress: share, stage });
      });
      if (!this.queue.get(clientId)) return;
      this.preparations.delete(clientId);
      this.change(clientId, { body, state: "queued", progress: 1 });
      void this.flush();
    } catch (error) {
      const problem = asRealtimeError(error);
      this.change(clientId, {
        state: "failed",
        error: { code: problem.code, message: problem.message },
      });
    }
  }

  /** Returns whether the next message may follow at once. */
  private async deliverOne(entry: Outgoing): Promise<boolean> {
    try {
      const ack = await this.connection.request<{ seq: number; at: string; duplicate: boolean }>(
        "message:send",
        {
          room: this.room.id,
          client_id: entry.client_id,
          kind: entry.kind,
          body: entry.body,
          reply_to: entry.reply_to,
        },
      );
      // The message itself arrives as an event; should that be lost, the gap is noticed here.
      const last = this.room.last();
      if (last !== null && ack.seq > last) {
        this.change(entry.client_id, { state: "sent" });
        void this.awaitEcho(ack.seq);
      } else {
        this.confirmOne(entry.client_id);
      }
      return true;
    } catch (error) {
      return this.afterRefusal(entry, asRealtimeError(error));
    }
  }

  private async awaitEcho(seq: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const last = this.room.last();
    if (last !== null && last < seq && this.connection.online) {
      await this.room.catchUp().catch(() => undefined);
    }
  }

  private afterRefusal(entry: Outgoing, problem: RealtimeError): boolean {
    if (problem.transient) {
      this.change(entry.client_id, { state: "queued" });
      const wait = problem.retryAfter ?? PAUSES[problem.code] ?? 2;
      if (wait > 0 && this.pause === null) {
        this.pause = setTimeout(() => {
          this.pause = null;
          void this.flush();
        }, wait * 1000);
      }
      return false;
    }
    this.change(entry.client_id, {
      state: "failed",
      error: { code: problem.code, message: problem.message },
    });
    return true;
  }

  private announce(): void {
    this.room.changed(this.queue.of(this.room.id));
  }
}
