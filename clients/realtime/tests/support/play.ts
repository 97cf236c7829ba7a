import { expect } from "vitest";
import { RoomClient } from "../../src/room-client";
import { memoryStorage } from "../../src/storage";
import type { Outgoing } from "../../src/queue";
import { type Given, ScriptedServer, type Step } from "./scripted-server";

export interface Behaviour {
  name: string;
  given?: Given;
  steps: Step[];
}

/** What carries the frames: given a server, where and through what a client connects. */
export interface Carrier {
  url: string;
  transports: unknown[];
  stop(): Promise<void> | void;
}

const PATIENCE = 10_000;
const STILL = 400;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One behaviour: the server, the client, and what both have to look like. */
export class Play {
  private readonly given: Given;
  private readonly server: ScriptedServer;
  private readonly storage = memoryStorage();
  private readonly names = new Map<string, string>();
  private refreshes = 0;
  private token = "";
  private problem: string | null = null;
  private client!: RoomClient;
  private carrier!: Carrier;

  constructor(
    private readonly behaviour: Behaviour,
    private readonly carry: (server: ScriptedServer) => Promise<Carrier>,
  ) {
    this.given = behaviour.given ?? {};
    this.server = new ScriptedServer(this.given);
  }

  async run(): Promise<void> {
    this.carrier = await this.carry(this.server);
    this.token = this.newToken();
    this.client = this.makeClient();
    try {
      for (const step of this.behaviour.steps) await this.do(step);
    } finally {
      this.client.disconnect();
      this.server.stop();
      await this.carrier.stop();
    }
  }

  private makeClient(): RoomClient {
    const client = new RoomClient({
      url: this.carrier.url,
      transports: this.carrier.transports,
      device: "d",
      token: () => this.token,
      refresh: () => this.refresh(),
      storage: this.storage,
      ackTimeoutMs: (this.given.ack_timeout ?? 10) * 1000,
    });
    client.room("r").on("problem", ({ code }) => (this.problem = code));
    return client;
  }

  private newToken(): string {
    const name = `t${this.refreshes + 1}`;
    if (this.given.token_life === undefined) return name;
    const iat = Date.now() / 1000;
    const claims = JSON.stringify({ jti: name, iat, exp: iat + this.given.token_life });
    const payload = btoa(claims).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    this.server.taken.add(`e30.${payload}.s`);
    return `e30.${payload}.s`;
  }

  private refresh(): Promise<string> {
    this.refreshes += 1;
    if (this.given.refresh_refused) return Promise.reject({ code: this.given.refresh_refused });
    this.token = this.newToken();
    this.server.taken.add(this.token);
    return Promise.resolve(this.token);
  }

  private async do(step: Step): Promise<void> {
    if ("server" in step) this.server.do(step);
    else if ("client" in step) await this.act(step);
    else if ("pause" in step) await sleep((step["pause"] as number) * 1000);
    else if ("still" in step) {
      const wanted = step["still"] as Step;
      for (const end = Date.now() + STILL; Date.now() < end; await sleep(20)) {
        expect(this.seen(wanted)).toEqual(wanted);
      }
    } else {
      const wanted = JSON.stringify(step);
      const end = Date.now() + PATIENCE;
      while (JSON.stringify(this.seen(step)) !== wanted && Date.now() < end) await sleep(5);
      expect(this.seen(step)).toEqual(step);
    }
  }

  private async act(step: Step): Promise<void> {
    const room = this.client.room("r");
    const name = (step["as"] as string | undefined) ?? "";
    switch (step["client"]) {
      case "connect":
        return this.client.connect();
      case "join":
        return void (await this.client.join("r"));
      case "say":
        this.names.set(name, room.send({ kind: "text", body: { text: step["text"] as string } }));
        return;
      case "retry":
        return room.retry(this.names.get(name)!);
      case "discard":
        return room.discard(this.names.get(name)!);
      case "wake":
        return this.client.wake();
      case "restart":
        this.client.disconnect();
        this.client = this.makeClient();
        return this.client.connect();
      default:
        throw new Error(`Unknown step of the client: ${String(step["client"])}`);
    }
  }

  /** The same step with what is there now; it is fulfilled when both are equal. */
  private seen(step: Step): Step {
    return Object.fromEntries(
      Object.entries(step).map(([name, wanted]) => [name, this.look(name, wanted)]),
    );
  }

  private look(name: string, wanted: unknown): unknown {
    const { messages, outgoing } = this.client.room("r");
    switch (name) {
      case "shows":
        return messages.map((message) => (message.body as { text?: string }).text);
      case "shows_count":
        return messages.every((message, index) => message.seq === index + 1)
          ? messages.length
          : "a hole";
      case "outgoing":
        return outgoing.map(entryOf);
      case "state":
        return this.client.state.phase;
      case "reason":
        return this.client.state.reason;
      case "problem":
        return this.problem;
      case "stored":
        return this.server.log.map((message) => (message.body as { text?: string }).text);
      case "requests": {
        const { event } = wanted as { event: string };
        return { event, count: this.requests(event).length };
      }
      case "one_id": {
        const ids = this.requests(wanted as string).map((asked) => asked.payload["client_id"]);
        return new Set(ids).size === 1 ? wanted : ids;
      }
      case "connections":
        return this.requests("connect").length;
      case "tokens_seen":
        return this.server.tokensSeen;
      case "attempts_at_most": {
        const count = this.server.attemptsWhileDown;
        return count >= 1 && count <= (wanted as number) ? wanted : count;
      }
      case "refreshes":
        return this.refreshes;
      case "waited": {
        const { event, at_least } = wanted as { event: string; at_least: number };
        return this.waited(event) >= at_least * 1000 ? wanted : this.waited(event);
      }
      default:
        throw new Error(`Unknown expectation: ${name}`);
    }
  }

  private requests(event: string) {
    return this.server.requests.filter((asked) => asked.event === event);
  }

  private waited(event: string): number {
    const at = this.server.refusedAt.get(event);
    if (at === undefined) return -1;
    const [refused, ...rest] = this.server.requests.slice(at);
    const next = rest.find((asked) => asked.event === event);
    // Clocks of timers are a little ahead of the wall's.
    return refused && next ? next.at - refused.at + 5 : -1;
  }
}

function entryOf(entry: Outgoing): string[] {
  const shown = [(entry.body as { text?: string } | null)?.text ?? "", entry.state];
  return entry.error ? [...shown, entry.error.code] : shown;
}
