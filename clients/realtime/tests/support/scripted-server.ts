import type { Message } from "../../src/types";

/** One step of a behaviour, as the list has it: see clients/behaviour/README.md. */
export type Step = Record<string, unknown>;

export interface Given {
  tokens?: string[];
  token_life?: number;
  refresh_refused?: string;
  ack_timeout?: number;
  ping?: [number, number];
}

/** The server's end of a connection, whatever carries it. */
export interface Line {
  send(frame: string): void;
  /** Breaks it without a word. */
  cut(): void;
}

interface Peer {
  line: Line;
  silent: boolean;
  deafToEvents: boolean;
  connected: boolean;
  pings: ReturnType<typeof setInterval>;
}

interface Asked {
  event: string;
  payload: Record<string, unknown>;
  at: number;
}

interface Refusal {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

const ME = "user-me";
const OTHER = "user-other";
const PAGE = 200;
const NEWEST = 50;

/** A room server in memory that plays the server's part of a behaviour, frame by frame. */
export class ScriptedServer {
  readonly taken: Set<string>;
  readonly log: Message[] = [];
  /** Everything that arrived, what is held and refused too. */
  readonly requests: Asked[] = [];
  readonly refusedAt = new Map<string, number>();
  readonly tokensSeen: string[] = [];
  attemptsWhileDown = 0;
  down = false;
  private readonly ping: [number, number];
  private readonly peers = new Set<Peer>();
  private readonly held = new Set<string>();
  private waiting: { peer: Peer; asked: Asked; id: string }[] = [];
  private readonly refusals = new Map<string, Refusal[]>();
  private readonly lost = new Map<string, number>();
  private readonly doubled = new Map<string, number>();
  private readonly delayed = new Map<string, number>();
  private answerFirst = false;

  constructor(given: Given) {
    this.ping = given.ping ?? [25000, 20000];
    this.taken = new Set(given.tokens ?? ["t1"]);
  }

  /** Somebody connects; returns where his frames and his leaving go. */
  accept(line: Line): { frame: (frame: string) => void; gone: () => void } {
    const peer: Peer = {
      line,
      silent: false,
      deafToEvents: false,
      connected: false,
      pings: setInterval(() => this.write(peer, "2"), this.ping[0]),
    };
    this.peers.add(peer);
    const [pingInterval, pingTimeout] = this.ping;
    const opened = { sid: "s", upgrades: [], pingInterval, pingTimeout, maxPayload: 1000000 };
    this.write(peer, `0${JSON.stringify(opened)}`);
    return {
      frame: (frame) => {
        if (!peer.silent) this.take(peer, frame);
      },
      gone: () => this.forget(peer),
    };
  }

  /** Whether a connection is taken now; one that is not counts as an attempt. */
  admits(): boolean {
    if (this.down) this.attemptsWhileDown += 1;
    return !this.down;
  }

  stop(): void {
    this.down = true;
    this.cut();
  }

  do(step: Step): void {
    const event = step["event"] as string;
    const count = (step["count"] as number | undefined) ?? 1;
    switch (step["server"]) {
      case "write": {
        const texts =
          (step["texts"] as string[] | undefined) ?? [...Array(count).keys()].map(String);
        for (const text of texts) {
          const message = this.append(text, OTHER, null);
          if (step["told"] !== false) this.push("message", message);
        }
        return;
      }
      case "tell":
        for (const seq of step["seqs"] as number[]) this.push("message", this.log[seq - 1]);
        return;
      case "push":
        return this.push(event, step["payload"]);
      case "hold":
        return void this.held.add(event);
      case "release": {
        this.held.clear();
        const waiting = this.waiting;
        this.waiting = [];
        for (const { peer, asked, id } of waiting) this.answer(peer, asked, id);
        return;
      }
      case "refuse": {
        const code = step["code"] as string;
        const after = step["retry_after"];
        const details = after === undefined ? {} : { retry_after: after };
        const planned = this.refusals.get(event) ?? [];
        this.refusals.set(event, [...planned, { code, message: code, details }]);
        return;
      }
      case "lose_events":
        for (const peer of this.peers) peer.deafToEvents = true;
        return;
      case "lose_answers":
        return void this.lost.set(event, count);
      case "double_answers":
        return void this.doubled.set(event, count);
      case "delay_answers":
        return void this.delayed.set(event, (step["seconds"] as number) * 1000);
      case "answer_first":
        this.answerFirst = true;
        return;
      case "drop":
        return this.cut();
      case "end":
        this.push("session:revoked", { code: step["code"] });
        if (step["code"] === "token_expired") this.taken.clear();
        for (const peer of this.peers) this.write(peer, "41");
        return this.cut();
      case "go_down":
        this.down = true;
        return this.cut();
      case "come_up":
        this.down = false;
        return;
      case "fall_silent":
        for (const peer of this.peers) peer.silent = true;
        return;
      default:
        throw new Error(`Unknown step of the server: ${String(step["server"])}`);
    }
  }

  private write(peer: Peer, frame: string): void {
    if (!peer.silent) peer.line.send(frame);
  }

  private forget(peer: Peer): void {
    clearInterval(peer.pings);
    this.peers.delete(peer);
  }

  private cut(): void {
    for (const peer of [...this.peers]) {
      this.forget(peer);
      peer.line.cut();
    }
  }

  private take(peer: Peer, frame: string): void {
    if (frame.startsWith("40")) this.connect(peer, JSON.parse(frame.slice(2)) as Step);
    const found = /^42(\d*)(.*)$/s.exec(frame);
    if (!found) return;
    const [event, payload] = JSON.parse(found[2]!) as [string, Record<string, unknown>];
    const asked = { event, payload, at: Date.now() };
    this.requests.push(asked);
    if (this.held.has(event)) this.waiting.push({ peer, asked, id: found[1]! });
    else this.answer(peer, asked, found[1]!);
  }

  private connect(peer: Peer, auth: Step): void {
    const token = auth["token"] as string;
    this.requests.push({ event: "connect", payload: auth, at: Date.now() });
    this.tokensSeen.push(token);
    const expired = { code: "token_expired", message: "", details: {} };
    const refusal = this.refusal("connect") ?? (this.taken.has(token) ? null : expired);
    if (refusal) {
      const data = { code: refusal.code, ...refusal.details };
      this.write(peer, `44${JSON.stringify({ message: refusal.code, data })}`);
      return;
    }
    peer.connected = true;
    this.write(peer, '40{"sid":"s"}');
  }

  private answer(peer: Peer, asked: Asked, id: string): void {
    const { event } = asked;
    const refusal = this.refusal(event);
    const told: Message[] = [];
    const answer = refusal
      ? { ok: false, error: refusal }
      : { ok: true, ...this.work(asked, told) };
    const frame = `43${id}${JSON.stringify([answer])}`;
    const tell = (): void => told.forEach((message) => this.push("message", message));
    if (!this.answerFirst) tell();
    const delay = this.delayed.get(event);
    this.delayed.delete(event);
    if (this.spend(this.lost, event)) {
      // The work is done; nobody hears of it.
    } else if (delay !== undefined) setTimeout(() => this.write(peer, frame), delay);
    else {
      this.write(peer, frame);
      if (this.spend(this.doubled, event)) this.write(peer, frame);
    }
    if (this.answerFirst) tell();
  }

  private spend(left: Map<string, number>, event: string): boolean {
    const count = left.get(event) ?? 0;
    if (count > 0) left.set(event, count - 1);
    return count > 0;
  }

  private refusal(event: string): Refusal | null {
    const planned = this.refusals.get(event)?.shift() ?? null;
    if (planned) this.refusedAt.set(event, this.requests.length - 1);
    return planned;
  }

  private push(event: string, payload: unknown): void {
    const frame = `42${JSON.stringify([event, payload])}`;
    for (const peer of this.peers) {
      if (peer.connected && !peer.deafToEvents) this.write(peer, frame);
    }
  }

  private work({ event, payload }: Asked, told: Message[]): object {
    switch (event) {
      case "room:join": {
        const after = payload["after"] as number | null;
        const found = after === null ? this.log.slice(-NEWEST) : this.log.slice(after);
        const resync = found.length > PAGE;
        return { room: this.view(), messages: found.slice(0, PAGE), resync, call: null };
      }
      case "message:fetch":
        return this.fetch(payload as { after?: number; before?: number; limit: number });
      case "message:send": {
        const id = payload["client_id"] as string;
        const known = this.log.find((message) => message.client_id === id);
        const text = (payload["body"] as { text: string }).text;
        const message = known ?? this.append(text, ME, id);
        if (!known) told.push(message);
        return { seq: message.seq, at: message.at, duplicate: known !== undefined };
      }
      default:
        return { states: {} };
    }
  }

  private fetch({ after, before, limit }: { after?: number; before?: number; limit: number }) {
    const found =
      after === undefined
        ? this.log.slice(0, (before ?? this.log.length + 1) - 1)
        : this.log.slice(after);
    const messages = after === undefined ? found.slice(-limit) : found.slice(0, limit);
    return { messages, has_more: found.length > limit };
  }

  private append(text: string, sender: string, clientId: string | null): Message {
    const seq = this.log.length + 1;
    const message: Message = {
      room: "r",
      seq,
      id: `m${seq}`,
      kind: "text",
      sender: { user_id: sender, name: sender, role: "patient" },
      client_id: clientId,
      body: { text },
      reply_to: null,
      at: "2026-11-21T00:00:00Z",
      recalled: false,
    };
    this.log.push(message);
    return message;
  }

  private view(): object {
    const members = [ME, OTHER].map((user_id) => ({
      user_id,
      name: user_id,
      role: "patient",
      avatar: null,
      state: "joined",
      presence: "online",
      read_seq: 0,
      delivered_seq: 0,
    }));
    return {
      id: "r",
      kind: "consultation",
      state: "active",
      close_reason: null,
      seq: this.log.length,
      subject: { title: "复诊", consultation_id: null },
      members,
      me: { user_id: ME, read_seq: 0, may_send: true },
    };
  }
}
