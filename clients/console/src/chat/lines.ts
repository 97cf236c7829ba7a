import type { Message, Outgoing } from "@zhenjian/realtime";
import { friendlyDay, timeOf } from "@/support/format";

/** What a message list draws: day lines, and messages that either arrived or are under way. */
export type Line =
  | { kind: "day"; key: string; text: string }
  | { kind: "message"; key: string; message: Message; joined: boolean; last: boolean }
  | { kind: "outgoing"; key: string; entry: Outgoing };

const CLOSE_MS = 3 * 60_000;

/** Messages of one sender within three minutes are drawn together, under one name. */
export function linesOf(messages: readonly Message[], outgoing: readonly Outgoing[]): Line[] {
  const lines: Line[] = [];
  let before: Message | null = null;
  let day = "";
  for (const message of messages) {
    // The recalled message itself says that it was recalled.
    if (message.kind === "system" && (message.body as { event?: string }).event === "recalled") {
      before = null;
      continue;
    }
    const own = friendlyDay(message.at);
    if (own !== day) {
      lines.push({ kind: "day", key: `day-${message.seq}`, text: `${own} ${timeOf(message.at)}` });
      day = own;
      before = null;
    }
    const joined =
      before !== null &&
      before.kind !== "system" &&
      message.kind !== "system" &&
      before.sender?.user_id === message.sender?.user_id &&
      Date.parse(message.at) - Date.parse(before.at) < CLOSE_MS;
    const previous = lines[lines.length - 1];
    if (joined && previous?.kind === "message") previous.last = false;
    const key = message.client_id ?? `seq-${message.seq}`;
    lines.push({ kind: "message", key, message, joined, last: true });
    before = message;
  }
  for (const entry of outgoing) lines.push({ kind: "outgoing", key: entry.client_id, entry });
  return lines;
}
