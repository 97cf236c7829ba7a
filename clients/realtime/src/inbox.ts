import { Emitter } from "./emitter";
import type { InboxItem } from "./types";

export interface InboxPage {
  items: InboxItem[];
  unread: number;
  cursor: number;
}

export type FetchInbox = (after: number) => Promise<InboxPage>;

interface InboxEvents {
  /** `fresh` came live or was missed while away; each item is announced once. */
  change: { fresh: InboxItem[] };
}

/** What concerns the user outside the open room. Newest first, each item once, caught up after a gap. */
export class Inbox extends Emitter<InboxEvents> {
  private known = new Map<number, InboxItem>();
  private cursor = 0;
  private started = false;
  private fetching: Promise<void> | null = null;

  constructor(private readonly fetch: FetchInbox | null) {
    super();
  }

  get items(): InboxItem[] {
    return [...this.known.values()].sort((a, b) => b.id - a.id);
  }

  get unread(): number {
    return [...this.known.values()].filter((item) => !item.read).length;
  }

  /** Fetches what was missed. The first fetch fills the list without announcing it. */
  async refresh(): Promise<void> {
    this.fetching ??= this.doRefresh().finally(() => {
      this.fetching = null;
    });
    await this.fetching;
  }

  receive(item: InboxItem): void {
    const fresh = !this.known.has(item.id);
    this.known.set(item.id, item);
    this.cursor = Math.max(this.cursor, item.id);
    this.emit("change", { fresh: fresh ? [item] : [] });
  }

  /** Marks everything up to `id` as read here; the page tells the server. */
  markRead(upTo: number): void {
    for (const [id, item] of this.known) {
      if (id <= upTo && !item.read) this.known.set(id, { ...item, read: true });
    }
    this.emit("change", { fresh: [] });
  }

  /** Marks the items that fit as read here; the page tells the server. */
  mark(fits: (item: InboxItem) => boolean): void {
    for (const [id, item] of this.known) {
      if (!item.read && fits(item)) this.known.set(id, { ...item, read: true });
    }
    this.emit("change", { fresh: [] });
  }

  private async doRefresh(): Promise<void> {
    if (!this.fetch) return;
    const announce = this.started;
    const fresh: InboxItem[] = [];
    for (;;) {
      const page = await this.fetch(this.cursor);
      for (const item of page.items) {
        if (!this.known.has(item.id)) fresh.push(item);
        this.known.set(item.id, item);
      }
      const next = Math.max(page.cursor, ...page.items.map((item) => item.id));
      if (page.items.length === 0 || next <= this.cursor) break;
      this.cursor = next;
    }
    this.started = true;
    this.emit("change", { fresh: announce ? fresh : [] });
  }
}
