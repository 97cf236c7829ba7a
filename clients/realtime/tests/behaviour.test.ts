import { describe, it } from "vitest";
import list from "../../behaviour/behaviours.json";
import { type Behaviour, type Carrier, Play } from "./support/play";
import type { ScriptedServer } from "./support/scripted-server";
import { alipayCarrier, weChatCarrier } from "./support/mini-program";
import { webCarrier } from "./support/web-carrier";

const BEHAVIOURS = list as unknown as Behaviour[];

const CARRIERS: Record<string, (server: ScriptedServer) => Promise<Carrier>> = {
  WebSocket: webCarrier,
  "a SocketTask of WeChat": weChatCarrier,
  "a SocketTask of Alipay": alipayCarrier,
};

for (const [name, carry] of Object.entries(CARRIERS)) {
  describe.concurrent(`over ${name}, the client`, () => {
    for (const behaviour of BEHAVIOURS) {
      it(behaviour.name, { timeout: 30_000 }, () => new Play(behaviour, carry).run());
    }
  });
}
