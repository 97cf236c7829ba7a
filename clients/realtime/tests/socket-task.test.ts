import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RoomClient } from "../src/room-client";
import { alipay, type MiniProgram, transportOf, weChat } from "./support/mini-program";
import { ScriptedServer } from "./support/scripted-server";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 8000; !condition() && Date.now() < end; ) await sleep(5);
  expect(condition()).toBe(true);
}

for (const [name, install] of Object.entries({ WeChat: weChat, Alipay: alipay })) {
  describe(`in a mini-program of ${name}`, () => {
    let server: ScriptedServer;
    let phone: MiniProgram;
    let client: RoomClient;

    function open(url = "https://hospital.example"): RoomClient {
      return new RoomClient({
        url,
        transports: [transportOf(phone)],
        device: "phone",
        token: () => "t1",
        refresh: () => Promise.resolve("t1"),
      });
    }

    const texts = () =>
      client.room("r").messages.map((message) => (message.body as { text?: string }).text);

    beforeEach(() => {
      server = new ScriptedServer({});
      phone = install(server);
      client = open();
    });
    afterEach(() => {
      client.disconnect();
      server.stop();
    });

    it("comes back when the application was away so long that its socket was taken", async () => {
      client.connect();
      await client.join("r");
      phone.hide();
      await until(() => phone.open.size === 0);
      server.do({ server: "write", texts: ["meanwhile"] });
      client.room("r").send({ kind: "text", body: { text: "written in the background" } });
      await sleep(300);
      expect(texts()).toEqual([]);
      phone.show();
      client.wake();
      await until(() => texts().length === 2);
      expect(texts()).toEqual(["meanwhile", "written in the background"]);
      expect(client.room("r").outgoing).toEqual([]);
    });

    it("leaves no socket behind, however often it connects", async () => {
      client.connect();
      await client.join("r");
      for (let times = 0; times < 12; times += 1) {
        server.do({ server: "drop" });
        await until(() => client.state.phase !== "online");
        // Impatient: each of them gives up a connection that is being made.
        client.wake();
        client.wake();
        await until(() => client.state.phase === "online");
      }
      await until(() => phone.open.size === 1);
      expect(phone.most).toBeLessThan(5);
      client.disconnect();
      await until(() => phone.open.size === 0);
    });

    it("closes a socket that opens after it was given up", async () => {
      client.connect();
      await until(() => phone.open.size === 1);
      client.disconnect();
      await until(() => phone.open.size === 0);
      expect(client.state.phase).toBe("idle");
    });

    it("never reaches a server that the platform does not list", async () => {
      client.disconnect();
      client = open("https://elsewhere.example");
      client.connect();
      await sleep(200);
      expect(client.state.phase).toBe("connecting");
      expect(server.requests).toEqual([]);
      expect(phone.open.size).toBe(0);
    });
  });
}

describe("the stub of a platform", () => {
  const open = (phone: MiniProgram) =>
    phone.connectSocket({ url: "wss://hospital.example/", multiple: true })!;

  it("fails sends before the socket is open, and closes with codes that it does not know", async () => {
    const phone = weChat(new ScriptedServer({}));
    const task = open(phone);
    const errors: unknown[] = [];
    task.send({ data: "2probe", fail: (error) => errors.push(error) });
    task.close({ code: 1001, fail: (error) => errors.push(error) });
    expect(errors).toEqual([]);
    await sleep(20);
    expect(errors).toEqual([
      { errMsg: "SocketTask.send:fail SocketTask.readyState is not OPEN" },
      { errMsg: "SocketTask.close:fail invalid code" },
    ]);
    phone.server.stop();
  });

  it("gives five sockets and no sixth; Alipay none without `multiple`", async () => {
    const phone = weChat(new ScriptedServer({}));
    const failed: unknown[] = [];
    for (let times = 0; times < 6; times += 1) open(phone).onError((error) => failed.push(error));
    await sleep(20);
    expect(failed).toEqual([{ errMsg: "connectSocket:fail exceed max socket connect" }]);
    const other = alipay(new ScriptedServer({}));
    expect(other.connectSocket({ url: "wss://hospital.example/" })).toBeUndefined();
    phone.server.stop();
  });
});
