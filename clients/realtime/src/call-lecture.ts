import type { CallParticipant, CallView } from "./types";

/** Who holds up a hand, the first one first. */
export function handsOf(call: CallView): CallParticipant[] {
  return call.participants
    .filter((one) => one.state === "joined" && one.hand_at !== null)
    .sort((one, other) => Date.parse(one.hand_at ?? "") - Date.parse(other.hand_at ?? ""));
}

/** Whether this user may silence others and end the call: clinicians may, of a lecture its teacher. */
export function moderates(call: CallView, user: string, clinician: boolean): boolean {
  return clinician && (!call.lecture || call.started_by === user);
}

/** Whether this user only watches. */
export function onlyWatches(call: CallView, user: string): boolean {
  const me = call.participants.find((one) => one.user_id === user);
  return call.lecture && !me?.on_stage;
}
