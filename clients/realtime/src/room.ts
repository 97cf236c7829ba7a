import type { Connection } from "./connection";
import { Emitter } from "./emitter";
import { asRealtimeError, RealtimeError } from "./errors";
import { HistoryWindow } from "./history";
import type { Outgoing, OutgoingQueue } from "./queue";
import { Sender, type Draft, type SenderRoom } from "./sender";
import { SequenceLog } from "./sequence";
import type {
  CallView,
  Message,
  Receipt,
  RoomMember,
  RoomState,
  RoomView,
  SystemBody,
} from "./types";

const PAGE = 50;
/** Past this many missed messages the window is replaced by the newest page instead of being filled. */
const FILL_LIMIT = 1000;
/** Between two words of a room about what has arrived here. */
const DELIVERED_PAUSE_MS = 500;

export interface JoinAnswer {
  room: RoomView;
  messages: Message[];
  resync: boolean;
  call: CallView | null;
}

export interface RoomEvents {
  /** The window changed. `added` are new messages at the end that came live or by catching up. */
  messages: { added: Message[]; cause: "joined" | "live" | "caught_up" | "earlier" | "changed" };
  /** Unconfirmed messages changed. */
  outgoing: Outgoing[];
  /** State, members, receipts or presence changed. */
  view: RoomView;
  receipt: Receipt;
  typing: { user: string };
  /** The call that the server named when the room was joined (null: none). */
  call: CallView | null;
  /** Something that the user should be told. */
  problem: RealtimeError;
}

/** One open room: an ordered, gap-free window of messages, and what is still on its way out. */
export class Room extends Emitter<RoomEvents> {
  private readonly log = new SequenceLog<Message>();
  private readonly sender: Sender;
  private current: RoomView | null = null;
  private joining: Promise<RoomView> | null = null;
  private catching: Promise<void> | null = null;
  private left = false;
  private historyEnd = false;
  private readMark = 0;
  private readSent = 0;
  private deliveredSent = 0;
  private marking = false;
  private telling = false;
  private lastTyping = 0;

  constructor(
    readonly id: string,
    private readonly connection: Connection,
    private readonly queue: OutgoingQueue,
  ) {
    super();
    const room: SenderRoom = {
      id,
      ready: () => this.current !== null && !this.left,
      last: () => this.log.last,
      catchUp: () => this.catchUp(),
      changed: (outgoing) => this.emit("outgoing", outgoing),
    };
    this.sender = new Sender(room, connection, queue);
  }

  /** Contiguous messages, oldest first. A new array after each change. */
  get messages(): readonly Message[] {
    return this.log.items;
  }

  /** Unconfirmed messages of this device, oldest first. */
  get outgoing(): readonly Outgoing[] {
    return this.queue.of(this.id);
  }

  get view(): RoomView | null {
    return this.current;
  }

  /** Whether {@link loadEarlier} may find more. */
  get hasEarlier(): boolean {
    const first = this.log.first;
    return !this.historyEnd && first !== null && first > 1;
  }

  /** Subscribes, then brings the window up to date. Called again after each reconnection. */
  join(): Promise<RoomView> {
    this.left = false;
    this.joining ??= this.doJoin().finally(() => {
      this.joining = null;
    });
    return this.joining;
  }

  async leave(): Promise<void> {
    this.left = true;
    this.sender.stop();
    if (this.connection.online) {
      await this.connection.request("room:leave", { room: this.id }).catch(() => undefined);
    }
  }

  /** Loads one page before the window; resolves with the number of messages added. */
  async loadEarlier(limit = PAGE): Promise<number> {
    const first = this.log.first;
    if (first === null || !this.hasEarlier) return 0;
    const page = await this.fetch({ before: first, limit });
    const added = this.log.prepend(page.messages.map((message) => this.settle(message)));
    if (!page.has_more || added.length === 0) this.historyEnd = true;
    if (added.length > 0) this.emit("messages", { added: [], cause: "earlier" });
    return added.length;
  }

  /** Shows the message at once and delivers it when it can; returns its client id. */
  send(draft: Draft): string {
    return this.sender.send(draft);
  }

  /** Tries a failed message again, under the same client id. */
  retry(clientId: string): void {
    this.sender.retry(clientId);
  }

  /** Gives up a message that is not being sent right now. */
  discard(clientId: string): void {
    this.sender.discard(clientId);
  }

  /** @throws RealtimeError `recall_too_late`, `forbidden`, ... */
  async recall(seq: number): Promise<void> {
    await this.connection.request("message:recall", { room: this.id, seq });
  }

  /** Marks everything up to `seq` as read; kept and sent later while offline. */
  markRead(seq: number): void {
    if (seq <= this.readMark) return;
    this.readMark = seq;
    void this.flushReadMark();
  }

  /** Says that the user is writing; at most every 3 s. */
  typing(): void {
    const now = Date.now();
    if (!this.connection.online || now - this.lastTyping < 3000) return;
    this.lastTyping = now;
    this.connection.request("typing", { room: this.id }).catch(() => undefined);
  }

  /** A look at the messages around one of them, apart from the live window. */
  async around(seq: number): Promise<HistoryWindow> {
    const window = new HistoryWindow(seq, (where) => this.fetch(where));
    await window.open();
    return window;
  }

  /** How many of the others in the room have read up to a message, and how many there are. */
  readers(seq: number): { read: number; of: number } {
    const others = (this.current?.members ?? []).filter(
      (member) => member.user_id !== this.current?.me.user_id && member.state === "joined",
    );
    return { read: others.filter((member) => member.read_seq >= seq).length, of: others.length };
  }

  /** Highest sequence number that every other member (or the one given) has read. */
  readBy(user?: string): number {
    return this.watermark((member) => member.read_seq, user);
  }

  deliveredTo(user?: string): number {
    return this.watermark((member) => Math.max(member.delivered_seq, member.read_seq), user);
  }

  /** @internal The connection is there again. */
  async resume(): Promise<void> {
    while (!this.left) {
      try {
        await this.join();
        return;
      } catch (error) {
        const problem = asRealtimeError(error);
        if (!problem.transient && !problem.fault) this.emit("problem", problem);
        if (!(await this.mayTryAgain(problem))) return;
      }
    }
  }

  /** @internal The connection broke. */
  suspend(): void {
    this.sender.suspend();
  }

  /** @internal */
  receive(message: Message): void {
    const { delivered, missingAfter } = this.log.accept([this.settle(message)]);
    this.deliver(delivered, "live");
    if (missingAfter !== null && !this.joining) void this.catchUp().catch(() => undefined);
  }

  /** @internal */
  applyReceipt(receipt: Receipt): void {
    this.changeMember(receipt.user, (member) => ({
      ...member,
      read_seq: Math.max(member.read_seq, receipt.read_seq),
      delivered_seq: Math.max(member.delivered_seq, receipt.delivered_seq),
    }));
    this.emit("receipt", receipt);
  }

  /** @internal Another device of the same user has read on. */
  applyRead(seq: number): void {
    const view = this.current;
    this.readMark = Math.max(this.readMark, seq);
    this.readSent = Math.max(this.readSent, seq);
    if (view && seq > view.me.read_seq) {
      this.setView({ ...view, me: { ...view.me, read_seq: seq } });
    }
  }

  /** @internal */
  applyState(state: RoomState, closeReason: string | null): void {
    const view = this.current;
    if (!view) return;
    this.setView({
      ...view,
      state,
      close_reason: closeReason,
      me: { ...view.me, may_send: state === "closed" ? false : view.me.may_send },
    });
    // Whether one may write now is the server's to say.
    void this.resume();
  }

  /** @internal */
  applyMember(member: RoomMember): void {
    const view = this.current;
    if (!view) return;
    const known = view.members.some((other) => other.user_id === member.user_id);
    const members = known
      ? view.members.map((other) => (other.user_id === member.user_id ? member : other))
      : [...view.members, member];
    this.setView({ ...view, members });
  }

  /** @internal */
  applyPresence(user: string, presence: RoomMember["presence"]): void {
    this.changeMember(user, (member) => ({ ...member, presence }));
  }

  /** @internal The server dropped what was queued for us. */
  async catchUp(): Promise<void> {
    this.catching ??= this.doCatchUp().finally(() => {
      this.catching = null;
    });
    await this.catching;
  }

  private async doJoin(): Promise<RoomView> {
    const after = this.log.last;
    const answer = await this.connection.request<JoinAnswer>("room:join", {
      room: this.id,
      after,
    });
    this.setView(answer.room);
    this.readSent = Math.max(this.readSent, answer.room.me.read_seq);
    if (after === null) this.openWindow(answer);
    else if (answer.resync) await this.catchUp();
    else
      this.deliver(
        this.log.accept(answer.messages.map((m) => this.settle(m))).delivered,
        "caught_up",
      );
    if (this.log.waiting > 0) await this.catchUp();
    this.emit("call", answer.call);
    void this.sendDelivered(this.log.items);
    void this.flushReadMark();
    void this.sender.flush();
    return this.current ?? answer.room;
  }

  private openWindow(answer: JoinAnswer): void {
    const page = answer.messages;
    const first = page[0]?.seq;
    this.historyEnd = first === undefined || first <= 1;
    this.log.reset(
      page.map((message) => this.settle(message)),
      page.length > 0 ? 0 : answer.room.seq,
    );
    this.settleRecalls(this.log.items);
    this.sender.confirm(this.log.items);
    this.emit("messages", { added: [], cause: "joined" });
  }

  private async doCatchUp(): Promise<void> {
    let stuck = 0;
    for (;;) {
      const last = this.log.last;
      if (last === null || this.left) return;
      const page = await this.fetchPatiently({ after: last, limit: 200 });
      const newest = page.messages[page.messages.length - 1]?.seq ?? last;
      const { delivered } = this.log.accept(page.messages.map((message) => this.settle(message)));
      this.deliver(delivered, "caught_up");
      if (!page.has_more && this.log.waiting === 0) return;
      if (delivered.length > 0 && newest - last < FILL_LIMIT) continue;
      stuck += 1;
      if (stuck < 3 && delivered.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 200 * stuck));
      } else if (delivered.length === 0) {
        await this.openNewest();
        return;
      }
    }
  }

  /** The hole cannot be filled: start over from the newest page. */
  private async openNewest(): Promise<void> {
    const page = await this.fetch({ limit: PAGE });
    this.historyEnd = !page.has_more;
    this.log.reset(page.messages.map((message) => this.settle(message)));
    this.sender.confirm(this.log.items);
    this.emit("messages", { added: [], cause: "joined" });
  }

  /** Waits as long as a busy server asks; a lost connection is healed by the join that follows it. */
  private async fetchPatiently(where: { after: number; limit: number }) {
    for (;;) {
      try {
        return await this.fetch(where);
      } catch (error) {
        const problem = asRealtimeError(error);
        if (!(await this.mayTryAgain(problem))) throw problem;
      }
    }
  }

  /** After the server's time, or a moment: whether the same may be asked on this connection. */
  private async mayTryAgain(problem: RealtimeError): Promise<boolean> {
    if (problem.code === "offline" || !(problem.transient || problem.fault)) return false;
    const pause = (problem.retryAfter ?? 2) * 1000 * (1 + Math.random() / 4);
    await new Promise((resolve) => setTimeout(resolve, pause));
    return this.connection.online && !this.left;
  }

  private fetch(where: { after?: number; before?: number; limit: number }) {
    return this.connection.request<{ messages: Message[]; has_more: boolean }>("message:fetch", {
      room: this.id,
      ...where,
    });
  }

  private deliver(delivered: Message[], cause: "live" | "caught_up"): void {
    if (delivered.length === 0) return;
    this.settleRecalls(delivered);
    this.sender.confirm(delivered);
    if (this.current) {
      const seq = Math.max(this.current.seq, this.log.last ?? 0);
      this.current = { ...this.current, seq };
      for (const message of delivered) this.followLead(message);
    }
    this.emit("messages", { added: delivered, cause });
    void this.sendDelivered(delivered);
  }

  /** Somebody else leads the room from this entry on. */
  private followLead(message: Message): void {
    const body = message.body as { event?: string; lead?: string };
    if (message.kind !== "system" || body.event !== "handed_over" || !this.current) return;
    this.setView({ ...this.current, lead_id: body.lead ?? null });
  }

  private settle(message: Message): Message {
    return message.recalled ? { ...message, body: {} } : message;
  }

  private settleRecalls(messages: readonly Message[]): void {
    let changed = false;
    for (const message of messages) {
      if (message.kind !== "system") continue;
      const body = message.body as SystemBody;
      if (body.event !== "recalled" || typeof body.seq !== "number") continue;
      changed =
        this.log.change(body.seq, (old) => ({ ...old, recalled: true, body: {} })) || changed;
    }
    if (changed) this.emit("messages", { added: [], cause: "changed" });
  }

  private async flushReadMark(): Promise<void> {
    if (this.marking) return;
    this.marking = true;
    try {
      while (this.connection.online && this.current && this.readMark > this.readSent) {
        const seq = this.readMark;
        await this.connection.request("receipt:read", { room: this.id, seq });
        this.readSent = seq;
        this.deliveredSent = Math.max(this.deliveredSent, seq);
      }
    } catch (error) {
      const problem = asRealtimeError(error);
      // Not transient: the server will never take this mark, so it is not tried again.
      if (!problem.transient) this.readSent = this.readMark;
    } finally {
      this.marking = false;
    }
  }

  /** Tells what has arrived: the first word at once, what follows closely in one. */
  private async sendDelivered(fresh: readonly Message[]): Promise<void> {
    const me = this.current?.me.user_id;
    const others = fresh.some((message) => message.sender && message.sender.user_id !== me);
    if (!others || this.telling) return;
    this.telling = true;
    try {
      for (;;) {
        const last = this.log.last ?? 0;
        if (last <= this.deliveredSent || this.left || !this.connection.online) return;
        this.deliveredSent = last;
        await this.connection.request("receipt:delivered", { room: this.id, seq: last });
        await new Promise((resolve) => setTimeout(resolve, DELIVERED_PAUSE_MS));
      }
    } catch {
      // A watermark: the next one says it again.
      this.deliveredSent = 0;
    } finally {
      this.telling = false;
    }
  }

  private watermark(value: (member: RoomMember) => number, user?: string): number {
    const view = this.current;
    if (!view) return 0;
    const others = view.members.filter((member) =>
      user
        ? member.user_id === user
        : member.user_id !== view.me.user_id && member.state === "joined",
    );
    return others.length === 0 ? 0 : Math.min(...others.map(value));
  }

  private changeMember(user: string, change: (member: RoomMember) => RoomMember): void {
    const view = this.current;
    if (!view) return;
    this.setView({
      ...view,
      members: view.members.map((member) => (member.user_id === user ? change(member) : member)),
    });
  }

  private setView(view: RoomView): void {
    this.current = view;
    this.emit("view", view);
  }
}
