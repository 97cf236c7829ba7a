import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { memoryStorage, type StoragePort } from "../src/storage";
import { RoomClient } from "../src/room-client";
import type { InboxItem, Message } from "../src/types";
import { FakeServer, OTHER, settle } from "./support/fake-server";

let server: FakeServer;
let storage: StoragePort;

function connect(more: Partial<ConstructorParameters<typeof RoomClient>[0]> = {}): RoomClient {
  const client = new RoomClient({
    url: "",
    device: "d",
    token: () => "good",
    refresh: () => Promise.resolve("good"),
    createSocket: server.factory,
    storage,
    ...more,
  });
  client.connect();
  return client;
}

const texts = (messages: readonly Message[]) =>
  messages.map((message) => (message.body as { text?: string }).text);
const write = (client: RoomClient, text: string) =>
  client.room("r").send({ kind: "text", body: { text } });
const sends = () => server.requests.filter((request) => request.event === "message:send");

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  storage = memoryStorage();
});
afterEach(() => vi.useRealTimers());

describe("a room", () => {
  it("opens with its messages and then follows live", async () => {
    server.write("一");
    const client = connect();
    await settle();
    await client.join("r");
    server.write("二");
    expect(texts(client.room("r").messages)).toEqual(["一", "二"]);
  });

  it("opens a long room at its newest page and loads earlier ones on demand", async () => {
    for (let i = 1; i <= 320; i += 1) server.write(String(i));
    const client = connect();
    await settle();
    await client.join("r");
    const room = client.room("r");
    expect(room.messages[0]?.seq).toBe(271);
    expect(await room.loadEarlier(200)).toBe(200);
    expect(await room.loadEarlier(200)).toBe(70);
    expect(room.hasEarlier).toBe(false);
    expect(room.messages).toHaveLength(320);
  });

  it("fills a hole before it shows what is behind it", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    const seen: (string | undefined)[] = [];
    client.room("r").on("messages", ({ added }) => seen.push(...texts(added)));
    server.loseEvents = true;
    server.write("lost");
    server.loseEvents = false;
    server.write("heard");
    expect(seen).toEqual([]);
    await settle();
    expect(seen).toEqual(["lost", "heard"]);
  });

  it("gets exactly what it missed after a lost connection", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.write("before");
    server.drop();
    for (let i = 0; i < 500; i += 1) server.write(`missed ${i}`);
    await server.accept();
    await settle();
    const messages = client.room("r").messages;
    expect(messages).toHaveLength(501);
    expect(messages.map((message) => message.seq)).toEqual(messages.map((_, i) => i + 1));
  });

  it("empties a recalled message", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.write("oops");
    server.append(
      {
        room: "r",
        client_id: "x",
        kind: "system",
        body: { event: "recalled", text: "撤回了一条消息", seq: 1 },
        reply_to: null,
      },
      OTHER,
    );
    const [first] = client.room("r").messages;
    expect(first?.recalled).toBe(true);
    expect(first?.body).toEqual({});
  });

  it("tells how far the others have read", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    expect(client.room("r").readBy()).toBe(0);
    server.push("receipt", { room: "r", user: OTHER, read_seq: 3, delivered_seq: 4 });
    server.push("receipt", { room: "r", user: OTHER, read_seq: 1, delivered_seq: 1 });
    expect(client.room("r").readBy()).toBe(3);
    expect(client.room("r").deliveredTo(OTHER)).toBe(4);
  });

  it("says what has arrived: many messages of others in few words, own ones never", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    const told = () =>
      server.requests
        .filter((request) => request.event === "receipt:delivered")
        .map((request) => request.payload["seq"]);
    write(client, "自己说的");
    await settle();
    expect(told()).toEqual([]);
    for (let i = 0; i < 20; i += 1) server.write(String(i));
    await settle();
    await vi.advanceTimersByTimeAsync(2000);
    expect(told().length).toBeLessThanOrEqual(2);
    expect(told().at(-1)).toBe(21);
    // Lost on the way: said again after the next connection.
    server.refuseNext = { code: "service_unavailable" };
    server.write("又一句");
    await vi.advanceTimersByTimeAsync(2000);
    server.drop();
    await server.accept();
    await settle();
    await vi.advanceTimersByTimeAsync(2000);
    expect(told().at(-1)).toBe(22);
  });

  it("takes over what another device of the same user has read", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.write("一");
    server.write("二");
    const left: number[] = [];
    client.on("unread", ({ unread }) => left.push(unread));
    server.push("unread", { room: "r", read_seq: 2, unread: 0 });
    expect(left).toEqual([0]);
    expect(client.room("r").view?.me.read_seq).toBe(2);
    client.room("r").markRead(2);
    await settle();
    expect(server.requests.some((request) => request.event === "receipt:read")).toBe(false);
  });

  it("says that somebody opened a room with this user, who can join it then", async () => {
    const client = connect();
    await settle();
    const told: string[] = [];
    client.on("membership", ({ room, state }) => {
      told.push(`${room} ${state}`);
      if (state === "joined") void client.join(room);
    });
    server.push("membership", { room: "r", state: "joined" });
    await settle();
    server.write("第一句话");
    expect(told).toEqual(["r joined"]);
    expect(client.room("r").messages.map((message) => message.body)).toEqual([
      { text: "第一句话" },
    ]);
  });

  it("counts who of a group has read a message", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    expect(client.room("r").readers(1)).toEqual({ read: 0, of: 1 });
    server.push("receipt", { room: "r", user: OTHER, read_seq: 3, delivered_seq: 4 });
    expect(client.room("r").readers(3)).toEqual({ read: 1, of: 1 });
    expect(client.room("r").readers(4)).toEqual({ read: 0, of: 1 });
  });

  it("opens a window around an old message and pages both ways without a hole", async () => {
    for (let i = 1; i <= 300; i += 1) server.write(String(i));
    const client = connect();
    await settle();
    await client.join("r");
    const room = client.room("r");
    const window = await room.around(100);
    const seqs = () => window.messages.map((message) => message.seq);
    expect([seqs()[0], seqs().at(-1)]).toEqual([75, 124]);
    expect(await window.earlier()).toBe(50);
    // Impatient fingers ask twice; nothing comes twice.
    await Promise.all([window.later(), window.later()]);
    while (window.hasLater) await window.later();
    while (window.hasEarlier) await window.earlier();
    expect(seqs()).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(room.messages[0]?.seq).toBe(251);
  });

  it("sends the read mark that was set while offline", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.write("一");
    server.drop();
    client.room("r").markRead(1);
    await server.accept();
    await settle();
    const marks = server.requests.filter((request) => request.event === "receipt:read");
    expect(marks.map((request) => request.payload["seq"])).toEqual([1]);
  });
});

describe("sending", () => {
  it("shows at once and drops the preview when the message itself arrives", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    write(client, "你好");
    expect(client.room("r").outgoing.map((entry) => entry.state)).toEqual(["sending"]);
    await settle();
    expect(client.room("r").outgoing).toEqual([]);
    expect(texts(client.room("r").messages)).toEqual(["你好"]);
  });

  it("keeps what is written offline, in order, and sends each once after a reload", async () => {
    const first = connect();
    await settle();
    await first.join("r");
    server.drop();
    write(first, "一");
    write(first, "二");
    write(first, "三");
    await settle();
    expect(server.log).toHaveLength(0);
    first.disconnect();

    const second = connect();
    await settle();
    await settle();
    expect(texts(server.log)).toEqual(["一", "二", "三"]);
    await second.join("r");
    expect(second.room("r").outgoing).toEqual([]);
  });

  it("stores a message once although its acknowledgement was lost", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.loseEvents = true;
    server.loseAcks = 1;
    write(client, "once");
    await settle();
    expect(client.room("r").outgoing).toHaveLength(1);
    server.loseEvents = false;
    await vi.advanceTimersByTimeAsync(3000);
    await settle();
    expect(sends()).toHaveLength(2);
    expect(new Set(sends().map((request) => request.payload["client_id"])).size).toBe(1);
    expect(texts(server.log)).toEqual(["once"]);
    expect(texts(client.room("r").messages)).toEqual(["once"]);
    expect(client.room("r").outgoing).toEqual([]);
  });

  it("waits as long as the server asks when it sends too fast", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.refuseNext = { code: "rate_limited", details: { retry_after: 5 } };
    write(client, "一");
    write(client, "二");
    await settle();
    await vi.advanceTimersByTimeAsync(4900);
    expect(server.log).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(200);
    await settle();
    expect(texts(server.log)).toEqual(["一", "二"]);
  });

  it("marks a refused message failed with the reason and goes on with the next", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    server.refuseNext = { code: "message_kind_not_allowed" };
    const refused = write(client, "no");
    write(client, "yes");
    await settle();
    const [entry] = client.room("r").outgoing;
    expect(entry).toMatchObject({ state: "failed", error: { code: "message_kind_not_allowed" } });
    expect(texts(server.log)).toEqual(["yes"]);
    client.room("r").retry(refused);
    await settle();
    expect(texts(server.log)).toEqual(["yes", "no"]);
  });

  it("lets text pass a picture that is still being uploaded, and retries a failed upload", async () => {
    const client = connect();
    await settle();
    await client.join("r");
    let tries = 0;
    const id = client.room("r").send({
      kind: "image",
      prepare: async (progress) => {
        tries += 1;
        progress(0.5);
        await Promise.resolve();
        if (tries === 1) throw new Error("上传失败");
        return { text: "picture" };
      },
    });
    write(client, "text");
    await settle();
    expect(client.room("r").outgoing[0]).toMatchObject({ state: "failed" });
    client.room("r").retry(id);
    await settle();
    expect(texts(server.log)).toEqual(["text", "picture"]);
  });
});

describe("the connection", () => {
  it("fetches a new token when the old one expired", async () => {
    let token = "old";
    const refresh = vi.fn(() => Promise.resolve((token = "good")));
    const client = connect({ token: () => token, refresh });
    await settle();
    expect(refresh).toHaveBeenCalledOnce();
    expect(client.state.phase).toBe("online");
  });

  it("ends when the session was revoked", async () => {
    const client = connect();
    await settle();
    const revoked = vi.fn();
    client.on("revoked", revoked);
    server.push("session:revoked", { code: "session_revoked" });
    server.drop();
    expect(client.state).toMatchObject({ phase: "refused", reason: "session_revoked" });
    expect(revoked).toHaveBeenCalledWith({ code: "session_revoked" });
  });

  it("comes back after the time that an overloaded server names", async () => {
    const client = connect();
    await settle();
    server.refuse("overloaded", 7);
    await vi.advanceTimersByTimeAsync(6900);
    expect(client.state.phase).toBe("reconnecting");
    // Not all in the same moment.
    await vi.advanceTimersByTimeAsync(2000);
    await settle();
    expect(client.state.phase).toBe("online");
  });

  it("renews the token and repeats when a request finds it expired", async () => {
    const refresh = vi.fn(() => Promise.resolve("good"));
    const client = connect({ refresh });
    await settle();
    server.refuseNext = { code: "token_expired" };
    await client.join("r");
    expect(refresh).toHaveBeenCalledOnce();
    expect(server.requests.map((request) => request.event)).toContain("session:renew");
  });
});

describe("the inbox", () => {
  const item = (id: number): InboxItem => ({
    id,
    type: "consultation_waiting",
    title: "新问诊",
    text: "",
    ref: null,
    at: "2026-11-21T00:00:00Z",
    read: false,
  });

  it("announces live items and those missed while away, each once", async () => {
    const stored = [item(1)];
    const client = connect({
      fetchInbox: (after) => {
        const items = stored.filter((entry) => entry.id > after);
        return Promise.resolve({
          items,
          unread: items.length,
          cursor: items[items.length - 1]?.id ?? after,
        });
      },
    });
    const heard: number[] = [];
    client.on("inbox", (entry) => heard.push(entry.id));
    await settle();
    expect(heard).toEqual([]);
    expect(client.inbox.unread).toBe(1);

    stored.push(item(2));
    server.push("inbox", item(2));
    server.drop();
    stored.push(item(3));
    await server.accept();
    await settle();
    expect(heard).toEqual([2, 3]);
    client.inbox.markRead(3);
    expect(client.inbox.unread).toBe(0);
  });
});
