import { io, type Socket } from "socket.io-client";
import { RealtimeError } from "./errors";

/** What the client needs from a connection. Tests and other runtimes bring their own. */
export interface SocketPort {
  readonly connected: boolean;
  connect(): void;
  close(): void;
  /** Resolves with the server's acknowledgement; rejects with code "offline" or "timeout". */
  request(event: string, payload: unknown, timeoutMs: number): Promise<unknown>;
}

export interface SocketHandlers {
  connected(): void;
  /** `retrying` says whether the port itself tries again. */
  disconnected(reason: string, retrying: boolean): void;
  /** The server refused the connection and gave its reason. The port does not try again by itself. */
  refused(data: { code: string; retry_after?: number; message?: string }): void;
  event(name: string, payload: unknown): void;
}

export interface SocketOptions {
  /** Origin of the server; empty means the page's own. */
  url: string;
  path: string;
  /** Called at each attempt to connect. */
  auth: () => Promise<{ token: string; device: string }>;
  /**
   * Engine.IO transports: names, or transport classes for runtimes without WebSocket (a mini-program's
   * SocketTask, see transports/socket-task.ts).
   */
  transports: unknown[];
}

export type SocketFactory = (options: SocketOptions, handlers: SocketHandlers) => SocketPort;

/** The standard port: socket.io-client over WebSocket. */
export const socketIoPort: SocketFactory = (options, handlers) => {
  const socket: Socket = io(options.url || undefined, {
    path: options.path,
    transports: options.transports as string[],
    autoConnect: false,
    forceNew: true,
    reconnection: true,
    reconnectionDelay: 300,
    reconnectionDelayMax: 5000,
    randomizationFactor: 0.5,
    timeout: 10000,
    auth: (give: (data: object) => void) => {
      options.auth().then(give, () => give({ token: "", device: "" }));
    },
  });
  socket.on("connect", () => handlers.connected());
  socket.on("disconnect", (reason: string) => handlers.disconnected(reason, socket.active));
  socket.on("connect_error", (error: Error & { data?: unknown }) => {
    const data = error.data as { code?: unknown; retry_after?: unknown } | undefined;
    if (!socket.active && data && typeof data.code === "string") {
      handlers.refused({
        code: data.code,
        message: error.message,
        ...(typeof data.retry_after === "number" ? { retry_after: data.retry_after } : {}),
      });
    } else if (!socket.active) {
      handlers.refused({ code: "overloaded", message: error.message });
    } else {
      handlers.disconnected("connect_error", true);
    }
  });
  socket.onAny((name: string, payload: unknown) => handlers.event(name, payload));

  return {
    get connected() {
      return socket.connected;
    },
    connect: () => void socket.connect(),
    close: () => void socket.disconnect(),
    request: (event, payload, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (!socket.connected) {
          reject(new RealtimeError("offline", "连接已断开"));
          return;
        }
        socket.timeout(timeoutMs).emit(event, payload, (error: Error | null, answer: unknown) => {
          if (!error) resolve(answer);
          else if (socket.connected) reject(new RealtimeError("timeout", "服务器没有及时回应"));
          else reject(new RealtimeError("offline", "连接已断开"));
        });
      }),
  };
};
