import type { Message } from "./types";

type Fetch = (where: { after?: number; before?: number; limit: number }) => Promise<{
  messages: Message[];
  has_more: boolean;
}>;

const HALF = 25;
const PAGE = 50;

/**
 * Messages around one of them, without a hole, loaded page by page in both directions. It does not
 * follow what happens live: past its end the room itself goes on.
 */
export class HistoryWindow {
  /** Oldest first. A new array after each change. */
  messages: readonly Message[] = [];
  hasEarlier = false;
  hasLater = false;

  constructor(
    /** The message that it was opened at. */
    readonly seq: number,
    private readonly fetch: Fetch,
  ) {}

  /** @internal */
  async open(): Promise<void> {
    const [before, after] = await Promise.all([
      this.fetch({ before: this.seq, limit: HALF }),
      this.fetch({ after: this.seq - 1, limit: HALF }),
    ]);
    this.messages = [...before.messages, ...after.messages];
    this.hasEarlier = before.has_more;
    this.hasLater = after.has_more;
  }

  /** Loads one page before the window; resolves with the number of messages added. */
  async earlier(): Promise<number> {
    const first = this.messages[0];
    if (!first || !this.hasEarlier) return 0;
    const page = await this.fetch({ before: first.seq, limit: PAGE });
    // Two calls at once bring the same page: only what still fits is taken.
    const added = page.messages.filter((message) => message.seq < (this.messages[0]?.seq ?? 0));
    this.messages = [...added, ...this.messages];
    this.hasEarlier = page.has_more;
    return added.length;
  }

  /** Loads one page after the window; resolves with the number of messages added. */
  async later(): Promise<number> {
    const last = this.messages[this.messages.length - 1];
    if (!last || !this.hasLater) return 0;
    const page = await this.fetch({ after: last.seq, limit: PAGE });
    const end = this.messages[this.messages.length - 1]?.seq ?? 0;
    const added = page.messages.filter((message) => message.seq > end);
    this.messages = [...this.messages, ...added];
    this.hasLater = page.has_more;
    return added.length;
  }
}
