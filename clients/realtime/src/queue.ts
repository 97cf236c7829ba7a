import type { MessageBody, MessageKind } from "./types";
import type { UploadStage } from "./uploads/resumable";
import type { StoragePort } from "./storage";

/** `sent`: acknowledged, its own echo is still on the way. */
export type OutgoingState = "preparing" | "queued" | "sending" | "sent" | "failed";

/** A message of this device that the server has not confirmed yet. */
export interface Outgoing {
  client_id: string;
  room: string;
  kind: MessageKind;
  /** Null while {@link Outgoing.state} is "preparing" (an upload is under way). */
  body: MessageBody | null;
  reply_to: number | null;
  /** When the user pressed send. */
  at: string;
  state: OutgoingState;
  /** Progress 0..1 of the stage while preparing. */
  progress: number;
  /** What is being done while preparing. */
  stage: UploadStage;
  /** Why it failed. */
  error: { code: string; message: string } | null;
  /** Whatever the page needs to show it meanwhile (an object URL, say). Not stored. */
  local: unknown;
}

type Stored = Pick<Outgoing, "client_id" | "room" | "kind" | "body" | "reply_to" | "at"> & {
  state: "queued" | "failed";
  error: Outgoing["error"];
};

/**
 * Messages on their way out, of all rooms, in the order in which they were written. Everything with a body is
 * stored at once and offered again after a reload with the same client id, so that the server can tell a
 * repetition from a new message.
 */
export class OutgoingQueue {
  private entries: Outgoing[] = [];

  constructor(
    private readonly storage: StoragePort,
    private readonly key: string,
  ) {
    this.entries = this.load();
  }

  /** Of one room, oldest first. */
  of(room: string): Outgoing[] {
    return this.entries.filter((entry) => entry.room === room);
  }

  rooms(): string[] {
    return [...new Set(this.entries.map((entry) => entry.room))];
  }

  get(clientId: string): Outgoing | null {
    return this.entries.find((entry) => entry.client_id === clientId) ?? null;
  }

  add(entry: Outgoing): void {
    this.entries = [...this.entries, entry];
    this.save();
  }

  update(clientId: string, change: Partial<Omit<Outgoing, "client_id" | "room">>): Outgoing | null {
    let changed: Outgoing | null = null;
    this.entries = this.entries.map((entry) => {
      if (entry.client_id !== clientId) return entry;
      changed = { ...entry, ...change };
      return changed;
    });
    // Upload progress changes often and is not stored.
    if (changed && !("progress" in change && !("state" in change))) this.save();
    return changed;
  }

  remove(clientId: string): Outgoing | null {
    const entry = this.get(clientId);
    if (entry) {
      this.entries = this.entries.filter((other) => other !== entry);
      this.save();
    }
    return entry;
  }

  /** The next message of a room to be sent: sends of one room never overtake each other. */
  next(room: string): Outgoing | null {
    const own = this.of(room);
    if (own.some((entry) => entry.state === "sending")) return null;
    return own.find((entry) => entry.state === "queued") ?? null;
  }

  /** The connection broke: what was being sent is sent again. */
  requeue(): void {
    this.entries = this.entries.map((entry) =>
      entry.state === "sending" ? { ...entry, state: "queued" as const } : entry,
    );
  }

  private load(): Outgoing[] {
    const text = this.storage.get(this.key);
    if (!text) return [];
    let stored: unknown;
    try {
      stored = JSON.parse(text);
    } catch {
      // A torn write: nothing in it can be trusted.
      return [];
    }
    if (!Array.isArray(stored)) return [];
    return (stored as Stored[])
      .filter((entry) => entry && entry.client_id && entry.room && entry.body)
      .map((entry) => ({ ...entry, progress: 1, stage: "uploading" as const, local: null }));
  }

  private save(): void {
    const stored: Stored[] = this.entries
      .filter((entry) => entry.body !== null)
      .map((entry) => ({
        client_id: entry.client_id,
        room: entry.room,
        kind: entry.kind,
        body: entry.body,
        reply_to: entry.reply_to,
        at: entry.at,
        state: entry.state === "failed" ? "failed" : "queued",
        error: entry.error,
      }));
    if (stored.length === 0) this.storage.remove(this.key);
    else this.storage.set(this.key, JSON.stringify(stored));
  }
}
