import { RealtimeError } from "../../src/errors";
import type { SocketFactory, SocketHandlers, SocketPort } from "../../src/socket";
import type { Message, MessageBody, MessageKind, RoomView } from "../../src/types";

export const ME = "user-doctor";
export const OTHER = "user-patient";

interface Send {
  room: string;
  client_id: string;
  kind: MessageKind;
  body: MessageBody;
  reply_to: number | null;
}

/** A room server in memory that speaks the acknowledgements of the protocol. */
export class FakeServer {
  readonly log: Message[] = [];
  readonly requests: { event: string; payload: Record<string, unknown> }[] = [];
  readonly page = 200;
  /** Tokens that are taken; others are refused as expired. */
  tokens = new Set(["good"]);
  /** Events that the server "loses" on the way to the client. */
  loseEvents = false;
  /** Acknowledgements that are lost after the work was done. */
  loseAcks = 0;
  refuseNext: { code: string; details?: Record<string, unknown> } | null = null;
  connections = 0;
  private handlers: SocketHandlers | null = null;
  private open = false;
  private lookup: (() => Promise<{ token: string; device: string }>) | null = null;

  readonly factory: SocketFactory = (options, handlers): SocketPort => {
    this.handlers = handlers;
    this.lookup = options.auth;
    const server = this;
    return {
      get connected() {
        return server.open;
      },
      connect: () => void this.accept(),
      close: () => {
        this.open = false;
      },
      request: (event, payload) => this.answer(event, payload as Record<string, unknown>),
    };
  };

  /** Cuts the connection; the port says whether it retries by itself. */
  drop(): void {
    this.open = false;
    this.handlers?.disconnected("transport close", true);
  }

  async accept(): Promise<void> {
    const auth = await this.lookup?.();
    this.connections += 1;
    if (!auth || !this.tokens.has(auth.token)) {
      this.handlers?.refused({ code: "token_expired" });
      return;
    }
    this.open = true;
    this.handlers?.connected();
  }

  refuse(code: string, retryAfter?: number): void {
    this.open = false;
    this.handlers?.refused({
      code,
      ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
    });
  }

  push(name: string, payload: unknown): void {
    if (this.open) this.handlers?.event(name, payload);
  }

  /** The other side writes; returns the message. */
  write(text: string, from = OTHER): Message {
    return this.append(
      { room: "r", client_id: `o${this.log.length}`, kind: "text", body: { text }, reply_to: null },
      from,
    );
  }

  append(send: Send, from: string): Message {
    const message: Message = {
      room: send.room,
      seq: this.log.length + 1,
      id: `m${this.log.length + 1}`,
      kind: send.kind,
      sender: send.kind === "system" ? null : { user_id: from, name: from, role: "patient" },
      client_id: send.client_id,
      body: send.body,
      reply_to: send.reply_to,
      at: "2026-11-21T00:00:00Z",
      recalled: false,
    };
    this.log.push(message);
    if (!this.loseEvents) this.push("message", message);
    return message;
  }

  view(): RoomView {
    const member = (user_id: string) => ({
      user_id,
      name: user_id,
      role: "patient" as const,
      avatar: null,
      state: "joined" as const,
      presence: "online" as const,
      read_seq: 0,
      delivered_seq: 0,
    });
    return {
      id: "r",
      kind: "consultation",
      state: "active",
      close_reason: null,
      seq: this.log.length,
      subject: { title: "复诊", consultation_id: null },
      members: [member(ME), member(OTHER)],
      me: { user_id: ME, read_seq: 0, may_send: true },
    };
  }

  private async answer(event: string, payload: Record<string, unknown>): Promise<unknown> {
    this.requests.push({ event, payload });
    await Promise.resolve();
    if (!this.open) throw new RealtimeError("offline", "offline");
    if (this.refuseNext) {
      const refusal = this.refuseNext;
      this.refuseNext = null;
      return { ok: false, error: { message: refusal.code, details: {}, ...refusal } };
    }
    const answer = this.work(event, payload);
    if (this.loseAcks > 0) {
      this.loseAcks -= 1;
      throw new RealtimeError("timeout", "timeout");
    }
    return { ok: true, ...answer };
  }

  private work(event: string, payload: Record<string, unknown>): object {
    switch (event) {
      case "room:join": {
        const after = payload["after"] as number | null;
        if (after === null) {
          return { room: this.view(), messages: this.log.slice(-50), resync: false, call: null };
        }
        const missed = this.log.filter((message) => message.seq > after);
        return {
          room: this.view(),
          messages: missed.slice(0, this.page),
          resync: missed.length > this.page,
          call: null,
        };
      }
      case "message:fetch":
        return this.fetch(payload as { after?: number; before?: number; limit: number });
      case "message:send": {
        const send = payload as unknown as Send;
        const known = this.log.find((message) => message.client_id === send.client_id);
        const message = known ?? this.append(send, ME);
        return { seq: message.seq, at: message.at, duplicate: known !== undefined };
      }
      case "presence:watch":
        return { states: {} };
      default:
        return {};
    }
  }

  private fetch(where: { after?: number; before?: number; limit: number }): object {
    const { after, before } = where;
    if (after !== undefined) {
      const found = this.log.filter((message) => message.seq > after);
      return { messages: found.slice(0, where.limit), has_more: found.length > where.limit };
    }
    const found = this.log.filter((message) => message.seq < (before ?? Infinity));
    return { messages: found.slice(-where.limit), has_more: found.length > where.limit };
  }
}

/** Lets every settled promise run; the fake answers without timers. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 60; i += 1) await Promise.resolve();
}
