import { socketTaskTransport, type SocketTask } from "../../src/transports/socket-task";
import type { Carrier } from "./play";
import type { ScriptedServer } from "./scripted-server";

interface ConnectOptions {
  url: string;
  header?: Record<string, string>;
  multiple?: boolean;
  success?: (result: unknown) => void;
  fail?: (error: unknown) => void;
  complete?: (result: unknown) => void;
}

type Listener<T> = ((value: T) => void) | null;

/** What differs between the platforms. */
interface Manners {
  error(call: string, message: string): unknown;
  message(text: string): { data: unknown };
  /** A connection that fails is reported by `onClose` too. */
  closesAfterError: boolean;
}

const WECHAT: Manners = {
  error: (call, message) => ({ errMsg: `${call}:fail ${message}` }),
  message: (text) => ({ data: text }),
  closesAfterError: false,
};

const ALIPAY: Manners = {
  error: (_call, message) => ({ error: 1, errorMessage: message }),
  message: (text) => ({ data: { data: text, isBuffer: false } }),
  closesAfterError: true,
};

/** How long sockets outlive the application in the background, in ms (on a phone: some seconds). */
const GRACE_MS = 100;
const MOST_SOCKETS = 5;

/**
 * The networking of a mini-program as its applications see it: every callback comes later, in the platform's
 * order; sockets are few, go to listed addresses only, and are taken away some time after the application went
 * to the background. A suspended application hears of that when it is shown again.
 */
export class MiniProgram {
  readonly open = new Set<StubTask>();
  /** Sockets that were alive at once, at most. */
  most = 0;
  hidden = false;
  suspended = false;
  private readonly later: (() => void)[] = [];

  constructor(
    readonly server: ScriptedServer,
    readonly manners: Manners,
    private readonly listed: string[] = ["wss://hospital.example"],
  ) {}

  /** `wx.connectSocket`, `my.connectSocket`. */
  readonly connectSocket = (options: ConnectOptions): SocketTask | undefined => {
    const problem = this.problem(options);
    const result = problem ?? { errMsg: "connectSocket:ok" };
    this.soon(() => {
      (problem ? options.fail : options.success)?.(result);
      options.complete?.(result);
    });
    if (this.manners === ALIPAY && options.multiple !== true) return undefined;
    return new StubTask(this, problem);
  };

  /** The user leaves; after a while the platform takes the sockets away. */
  hide(): void {
    this.hidden = true;
    setTimeout(() => {
      if (!this.hidden) return;
      this.suspended = true;
      for (const task of [...this.open]) task.interrupt();
    }, GRACE_MS);
  }

  /** The user is back: what the platform has to say comes now. */
  show(): void {
    this.hidden = this.suspended = false;
    for (const tell of this.later.splice(0)) this.soon(tell);
  }

  /** Calls back in a later turn, never within the call; a suspended application is told later. */
  soon(tell: () => void): void {
    setTimeout(() => {
      if (this.suspended) this.later.push(tell);
      else tell();
    }, 0);
  }

  private problem({ url, header }: ConnectOptions): unknown {
    const say = (message: string) => this.manners.error("connectSocket", message);
    if (!this.listed.some((address) => url.startsWith(address)))
      return say("url not in domain list");
    if (this.open.size >= MOST_SOCKETS) return say("exceed max socket connect");
    if (Object.keys(header ?? {}).some((name) => /^referer$/i.test(name)))
      return say("referer is not allowed");
    return null;
  }
}

export class StubTask implements SocketTask {
  private state: "connecting" | "open" | "closed" = "connecting";
  private opened: Listener<unknown> = null;
  private closed: Listener<{ code?: number; reason?: string }> = null;
  private failed: Listener<unknown> = null;
  private heard: Listener<{ data: unknown }> = null;
  private peer: ReturnType<ScriptedServer["accept"]> | null = null;

  constructor(
    private readonly phone: MiniProgram,
    problem: unknown,
  ) {
    if (!problem) {
      phone.open.add(this);
      phone.most = Math.max(phone.most, phone.open.size);
    }
    phone.soon(() => this.connect(problem));
  }

  onOpen(listener: (result: unknown) => void): void {
    this.opened = listener;
  }
  onClose(listener: (result: { code?: number; reason?: string }) => void): void {
    this.closed = listener;
  }
  onError(listener: (error: unknown) => void): void {
    this.failed = listener;
  }
  onMessage(listener: (message: { data: unknown }) => void): void {
    this.heard = listener;
  }

  send({ data, fail }: { data: string | ArrayBuffer; fail?: (error: unknown) => void }): void {
    const refuse = (message: string) =>
      this.phone.soon(() => fail?.(this.phone.manners.error("SocketTask.send", message)));
    if (this.state !== "open") return refuse("SocketTask.readyState is not OPEN");
    if (typeof data !== "string") return refuse("the server takes text only");
    this.phone.soon(() => this.peer?.frame(data));
  }

  close(options: { code?: number; reason?: string; fail?: (error: unknown) => void } = {}): void {
    const code = options.code ?? 1000;
    const refuse = (message: string) =>
      this.phone.soon(() => options.fail?.(this.phone.manners.error("SocketTask.close", message)));
    if (code !== 1000 && (code < 3000 || code > 4999)) return refuse("invalid code");
    if (this.state === "closed") return refuse("SocketTask.readyState is not OPEN");
    this.end({ code, reason: options.reason ?? "" });
  }

  /** The platform takes it away. */
  interrupt(): void {
    this.end({ code: 1006, reason: "interrupted" });
  }

  private connect(problem: unknown): void {
    if (this.state !== "connecting") return;
    if (problem || !this.phone.server.admits()) {
      this.state = "closed";
      this.phone.open.delete(this);
      this.failed?.(problem ?? this.phone.manners.error("connectSocket", "connection refused"));
      if (this.phone.manners.closesAfterError) this.closed?.({ code: 1006, reason: "" });
      return;
    }
    this.state = "open";
    this.opened?.({ header: {} });
    this.peer = this.phone.server.accept({
      send: (frame) =>
        this.phone.soon(() => {
          if (this.state === "open") this.heard?.(this.phone.manners.message(frame));
        }),
      // After what was said before.
      cut: () => this.phone.soon(() => this.end({ code: 1006, reason: "abnormal closure" })),
    });
  }

  private end(event: { code: number; reason: string }): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.phone.open.delete(this);
    this.peer?.gone();
    this.phone.soon(() => this.closed?.(event));
  }
}

export function weChat(server: ScriptedServer): MiniProgram {
  return new MiniProgram(server, WECHAT);
}

export function alipay(server: ScriptedServer): MiniProgram {
  return new MiniProgram(server, ALIPAY);
}

export function transportOf(phone: MiniProgram): unknown {
  return socketTaskTransport((url) => phone.connectSocket({ url, multiple: true })!);
}

function carrierOf(phone: MiniProgram): Promise<Carrier> {
  const transports = [transportOf(phone)];
  return Promise.resolve({ url: "https://hospital.example", transports, stop: () => undefined });
}

export const weChatCarrier = (server: ScriptedServer) => carrierOf(weChat(server));
export const alipayCarrier = (server: ScriptedServer) => carrierOf(alipay(server));
