import { WebSocketServer } from "ws";
import type { Carrier } from "./play";
import type { ScriptedServer } from "./scripted-server";

/** A real WebSocket on this machine. */
export async function webCarrier(server: ScriptedServer): Promise<Carrier> {
  const listening = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    verifyClient: () => server.admits(),
  });
  listening.on("connection", (socket) => {
    const peer = server.accept({
      send: (frame) => socket.send(frame),
      cut: () => socket.terminate(),
    });
    socket.on("message", (data) => peer.frame(data.toString()));
    socket.on("close", () => peer.gone());
  });
  await new Promise<void>((resolve) => listening.on("listening", resolve));
  return {
    url: `http://127.0.0.1:${listening.address().port}`,
    transports: ["websocket"],
    stop: () => new Promise((resolve) => listening.close(resolve)),
  };
}
