import { Connection, REFUSALS, type ConnectionOptions, type ConnectionState } from "./connection";
import { Emitter } from "./emitter";
import { Inbox, type FetchInbox } from "./inbox";
import { OutgoingQueue } from "./queue";
import { Room } from "./room";
import { memoryStorage, type StoragePort } from "./storage";
import type {
  CallOffer,
  CallNetwork,
  CallQuality,
  CallSpeaker,
  CallView,
  InboxItem,
  Message,
  PresenceState,
  Receipt,
  RoomMember,
  RoomState,
  RoomView,
} from "./types";

export interface RoomClientOptions extends ConnectionOptions {
  /** Keeps unsent messages; default: memory only. */
  storage?: StoragePort;
  /** Storage key; put the user's id into it, so that one account never sends another's messages. */
  storageKey?: string;
  /** `GET /inbox?after=`: lets the client fetch what it missed. */
  fetchInbox?: FetchInbox;
}

export interface RoomClientEvents {
  state: ConnectionState;
  /** Connected; `again` after a loss. Rooms catch up by themselves. */
  online: { again: boolean };
  /** Any message of any joined room, in order, once. */
  message: Message;
  inbox: InboxItem;
  presence: { user: string; state: PresenceState };
  /** This user has read on somewhere, on whatever device: what is left in a room. */
  unread: { room: string; read_seq: number; unread: number };
  /** This user is in a room from now on, or out of it: opened by anybody, on any device. */
  membership: { room: string; state: "joined" | "left" };
  notice: { code: string; text: string; ref?: { type: string; id: string } };
  revoked: { code: string };
  "room-state": { room: string; state: RoomState; close_reason: string | null; seq: number };
  /** Rooms of the monitor that changed or ended, after `monitor:watch`. */
  "monitor-rooms": { rooms: unknown[]; gone: string[] };
  "monitor-presence": { users: Record<string, PresenceState> };
  /** Something was left out for a slow client: a room, or the monitor (the id of the hospital). */
  resync: { room: string };
  "call-ring": { call: CallView; room: string };
  "call-state": CallView;
  "call-offer": CallOffer;
  "call-quality": CallQuality;
  "call-speaker": CallSpeaker;
  "call-muted": { call: string };
  "call-network": CallNetwork;
  /** The server named the call of a room that was just joined. */
  "call-found": { room: string; call: CallView | null };
}

/** Rooms, inbox, presence and call signalling over one connection. */
export class RoomClient extends Emitter<RoomClientEvents> {
  readonly connection: Connection;
  readonly inbox: Inbox;
  private readonly queue: OutgoingQueue;
  private readonly rooms = new Map<string, Room>();
  private readonly watched = new Set<string>();
  private readonly presences = new Map<string, PresenceState>();

  constructor(options: RoomClientOptions) {
    super();
    this.connection = new Connection(options);
    this.inbox = new Inbox(options.fetchInbox ?? null);
    this.queue = new OutgoingQueue(
      options.storage ?? memoryStorage(),
      options.storageKey ?? "zhenjian.outgoing",
    );
    this.connection.on("state", (state) => {
      if (state.phase !== "online") for (const room of this.rooms.values()) room.suspend();
      this.emit("state", state);
    });
    this.connection.on("online", (info) => void this.onOnline(info));
    this.connection.on("event", ({ name, payload }) => this.dispatch(name, payload));
    this.inbox.on("change", ({ fresh }) => {
      for (const item of [...fresh].sort((a, b) => a.id - b.id)) this.emit("inbox", item);
    });
  }

  get state(): ConnectionState {
    return this.connection.state;
  }

  connect(): void {
    this.connection.connect();
  }

  disconnect(): void {
    this.connection.disconnect();
  }

  /** Try to connect now: call it when the network comes back or the page becomes visible. */
  wake(): void {
    this.connection.wake();
  }

  renew(token: string): Promise<void> {
    return this.connection.renew(token);
  }

  /** The room object; the same one until {@link leave}. */
  room(id: string): Room {
    let room = this.rooms.get(id);
    if (!room) {
      room = new Room(id, this.connection, this.queue);
      room.on("messages", ({ added }) => {
        for (const message of added) this.emit("message", message);
      });
      room.on("call", (call) => this.emit("call-found", { room: id, call }));
      this.rooms.set(id, room);
    }
    return room;
  }

  /** Opens a room. While offline it waits: the room is joined with the next connection. */
  async join(id: string): Promise<RoomView> {
    const room = this.room(id);
    if (this.connection.online) return room.join();
    return new Promise((resolve, reject) => {
      const stop = this.connection.on("online", () => {
        stop();
        room.join().then(resolve, reject);
      });
    });
  }

  async leave(id: string): Promise<void> {
    const room = this.rooms.get(id);
    if (!room) return;
    this.rooms.delete(id);
    await room.leave();
    room.removeAll();
  }

  presence(user: string): PresenceState | null {
    return this.presences.get(user) ?? null;
  }

  /** Adds users to the watched ones; changes come as `presence` events. */
  async watchPresence(users: string[]): Promise<void> {
    for (const user of users) this.watched.add(user);
    if (this.connection.online && users.length > 0) await this.askPresence(users);
  }

  /** Any other request of the protocol (the call client uses it). */
  request<T>(event: string, payload: object): Promise<T> {
    return this.connection.request<T>(event, payload);
  }

  private async onOnline(info: { again: boolean }): Promise<void> {
    this.emit("online", info);
    // Messages that an earlier page left unsent go out although their room is not open.
    for (const id of this.queue.rooms()) this.room(id);
    // A room that the server asks to wait for keeps nothing else waiting.
    for (const room of this.rooms.values()) void room.resume();
    // Both are hints for the screen; the next connection asks again.
    await this.askPresence([...this.watched]).catch(() => undefined);
    await this.inbox.refresh().catch(() => undefined);
  }

  private async askPresence(users: string[]): Promise<void> {
    if (users.length === 0) return;
    const answer = await this.connection.request<{ states: Record<string, PresenceState> }>(
      "presence:watch",
      { users },
    );
    for (const [user, state] of Object.entries(answer.states)) this.setPresence(user, state);
  }

  private setPresence(user: string, state: PresenceState): void {
    this.presences.set(user, state);
    for (const room of this.rooms.values()) room.applyPresence(user, state);
    this.emit("presence", { user, state });
  }

  private dispatch(name: string, payload: unknown): void {
    const handle = HANDLERS[name];
    if (handle) handle(this, payload, (id) => this.rooms.get(id) ?? null);
  }

  /** @internal */
  hearPresence(user: string, state: PresenceState): void {
    this.setPresence(user, state);
  }
}

type Handle = (client: RoomClient, payload: unknown, room: (id: string) => Room | null) => void;

const HANDLERS: Record<string, Handle> = {
  message: (_client, payload, room) => {
    const message = payload as Message;
    room(message.room)?.receive(message);
  },
  receipt: (_client, payload, room) => {
    const receipt = payload as Receipt;
    room(receipt.room)?.applyReceipt(receipt);
  },
  typing: (_client, payload, room) => {
    const typing = payload as { room: string; user: string };
    room(typing.room)?.emit("typing", { user: typing.user });
  },
  presence: (client, payload) => {
    const presence = payload as { user: string; state: PresenceState };
    client.hearPresence(presence.user, presence.state);
  },
  "room:state": (client, payload, room) => {
    const change = payload as RoomClientEvents["room-state"];
    room(change.room)?.applyState(change.state, change.close_reason);
    client.emit("room-state", change);
  },
  "room:member": (_client, payload, room) => {
    const change = payload as { room: string; member: RoomMember };
    room(change.room)?.applyMember(change.member);
  },
  unread: (client, payload, room) => {
    const unread = payload as RoomClientEvents["unread"];
    room(unread.room)?.applyRead(unread.read_seq);
    client.emit("unread", unread);
  },
  membership: (client, payload, room) => {
    const told = payload as RoomClientEvents["membership"];
    // Asked in again: the server had stopped telling of this room.
    if (told.state === "joined") void room(told.room)?.resume();
    client.emit("membership", told);
  },
  inbox: (client, payload) => client.inbox.receive(payload as InboxItem),
  notice: (client, payload) => client.emit("notice", payload as RoomClientEvents["notice"]),
  resync: (client, payload, room) => {
    const told = payload as { room: string };
    void room(told.room)?.resume();
    client.emit("resync", told);
  },
  "monitor:rooms": (client, payload) =>
    client.emit("monitor-rooms", payload as RoomClientEvents["monitor-rooms"]),
  "monitor:presence": (client, payload) =>
    client.emit("monitor-presence", payload as RoomClientEvents["monitor-presence"]),
  "session:revoked": (client, payload) => {
    const code = (payload as { code?: string } | null)?.code ?? "session_revoked";
    if (REFUSALS.has(code)) client.emit("revoked", { code });
  },
  "call:ring": (client, payload) =>
    client.emit("call-ring", payload as RoomClientEvents["call-ring"]),
  "call:state": (client, payload) => client.emit("call-state", payload as CallView),
  "call:offer": (client, payload) => client.emit("call-offer", payload as CallOffer),
  "call:network": (client, payload) => client.emit("call-network", payload as CallNetwork),
  "call:muted": (client, payload) => client.emit("call-muted", payload as { call: string }),
  "call:speaker": (client, payload) => client.emit("call-speaker", payload as CallSpeaker),
  "call:quality": (client, payload) => client.emit("call-quality", payload as CallQuality),
};
