/** The few words of `ws` that the tests use. */
declare module "ws" {
  export class WebSocket {
    send(data: string): void;
    terminate(): void;
    on(event: "message", listener: (data: { toString(): string }) => void): void;
    on(event: "close", listener: () => void): void;
  }
  export class WebSocketServer {
    constructor(options: { port: number; host: string; verifyClient: () => boolean });
    on(event: "connection", listener: (socket: WebSocket) => void): void;
    on(event: "listening", listener: () => void): void;
    address(): { port: number };
    close(done: () => void): void;
  }
}
