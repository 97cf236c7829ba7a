import type { Emitter } from "./emitter";
import type { RoomClientEvents } from "./room-client";
import type { CallView } from "./types";

/**
 * The calls that go on in joined rooms, by room, whether we are in them or not: a member who came late, or left,
 * goes in by them. How many are in a lecture is told only to those inside; ask for the call anew, and `note` it.
 */
export class OngoingCalls {
  private current: ReadonlyMap<string, CallView> = new Map();
  private readonly stops: (() => void)[];

  constructor(
    client: Pick<Emitter<RoomClientEvents>, "on">,
    private readonly changed: (calls: ReadonlyMap<string, CallView>) => void,
  ) {
    this.stops = [
      client.on("call-found", ({ room, call }) => this.note(room, call)),
      client.on("call-state", (call) => this.note(call.room, call)),
      // Who never was in a lecture hears of its end in the room alone.
      client.on("message", ({ room, body }) => {
        const { event, call } = body as { event?: unknown; call?: unknown };
        if (event === "call_ended" && call === this.current.get(room)?.id) this.note(room, null);
      }),
    ];
  }

  note(room: string, call: CallView | null): void {
    const known = this.current.get(room);
    const goesOn = call?.state === "active";
    // An older call's late end says nothing of the one that goes on.
    if (!goesOn && (!known || (call && call.id !== known.id))) return;
    const next = new Map(this.current);
    if (goesOn) next.set(room, call);
    else next.delete(room);
    this.current = next;
    this.changed(next);
  }

  stop(): void {
    for (const stop of this.stops) stop();
  }
}
