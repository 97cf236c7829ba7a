import { WebSocket as WebSocketTransport } from "socket.io-client";

/** What WeChat (`wx.connectSocket`), Alipay (`my.connectSocket` with `multiple`) and uni-app return. */
export interface SocketTask {
  send(options: { data: string | ArrayBuffer; fail?: (error: unknown) => void }): void;
  close(options?: { code?: number; reason?: string; fail?: (error: unknown) => void }): void;
  onOpen(listener: (result: unknown) => void): void;
  onClose(listener: (result: { code?: number; reason?: string }) => void): void;
  onError(listener: (error: unknown) => void): void;
  onMessage(listener: (message: { data: unknown }) => void): void;
}

/**
 * The part of WebSocket that Engine.IO uses. A task ends once, whatever the platform reports and in whatever
 * order: WeChat calls `onError` alone when a connection fails, Alipay both, and either may still open a task
 * that was closed while it was connecting.
 */
export class SocketTaskWebSocket {
  binaryType = "arraybuffer";
  onopen: (() => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((error: unknown) => void) | null = null;
  private ended = false;

  /** Listens at once: what a task reports before that is lost. */
  constructor(private readonly task: SocketTask) {
    task.onOpen(() => {
      if (this.ended) this.letGo();
      else this.onopen?.();
    });
    task.onMessage((message) => {
      if (!this.ended) this.onmessage?.({ data: textOf(message.data) });
    });
    task.onError((error) => this.fail(error));
    task.onClose((event) => {
      if (this.ended) return;
      this.ended = true;
      this.onclose?.(event);
    });
  }

  send(data: string | ArrayBuffer): void {
    if (!this.ended) this.task.send({ data, fail: (error) => this.fail(error) });
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.letGo();
  }

  private fail(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    // A platform allows few sockets (WeChat: five): none stays behind.
    this.letGo();
    this.onerror?.(error);
  }

  private letGo(): void {
    // Platforms take 1000 and 3000 to 4999 only. One that is closed already says so.
    this.task.close({ code: 1000, fail: () => undefined });
  }
}

/** Alipay wraps what comes: `{data: {data, isBuffer}}`. */
function textOf(data: unknown): unknown {
  const inner = (data as { data?: unknown } | null)?.data;
  return typeof data === "object" && inner !== undefined ? inner : data;
}

/**
 * Engine.IO transport over a SocketTask, for the `transports` option:
 * `transports: [socketTaskTransport((url) => uni.connectSocket({ url, multiple: true, complete: () => {} }))]`.
 * Without `multiple` Alipay returns no task.
 */
export function socketTaskTransport(connect: (url: string) => SocketTask): unknown {
  return class extends WebSocketTransport {
    override createSocket(uri: string): SocketTaskWebSocket {
      return new SocketTaskWebSocket(connect(uri));
    }
  };
}
