import { WebSocket as WebSocketTransport } from "socket.io-client";

/** What WeChat (`wx.connectSocket`), Alipay (`my.connectSocket` with multiple) and uni-app return. */
export interface SocketTask {
  send(options: { data: string | ArrayBuffer; fail?: (error: unknown) => void }): void;
  close(options?: { code?: number; reason?: string }): void;
  onOpen(listener: (result: unknown) => void): void;
  onClose(listener: (result: { code?: number; reason?: string }) => void): void;
  onError(listener: (error: unknown) => void): void;
  onMessage(listener: (message: { data: unknown }) => void): void;
}

/** The part of WebSocket that Engine.IO uses. */
export class SocketTaskWebSocket {
  binaryType = "arraybuffer";
  onopen: (() => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((error: unknown) => void) | null = null;
  private closed = false;

  constructor(private readonly task: SocketTask) {
    task.onOpen(() => this.onopen?.());
    task.onMessage((message) => {
      // Alipay wraps: {data: {data, isBuffer}}.
      const inner = (message.data as { data?: unknown } | null)?.data;
      this.onmessage?.({
        data: typeof message.data === "object" && inner !== undefined ? inner : message.data,
      });
    });
    task.onError((error) => this.onerror?.(error));
    task.onClose((event) => {
      if (this.closed) return;
      this.closed = true;
      this.onclose?.(event);
    });
  }

  send(data: string | ArrayBuffer): void {
    this.task.send({ data, fail: (error) => this.onerror?.(error) });
  }

  close(): void {
    if (!this.closed) this.task.close({ code: 1000 });
  }
}

/**
 * Engine.IO transport over a SocketTask, for the `transports` option:
 * `transports: [socketTaskTransport((url) => uni.connectSocket({ url, complete: () => {} }))]`.
 */
export function socketTaskTransport(connect: (url: string) => SocketTask): unknown {
  return class extends WebSocketTransport {
    override createSocket(uri: string): SocketTaskWebSocket {
      return new SocketTaskWebSocket(connect(uri));
    }
  };
}
