import type { CallParticipant, CallView } from "./types";

/** Who holds up a hand, the first one first. */
export function handsOf(call: CallView): CallParticipant[] {
  return call.participants
    .filter((one) => one.state === "joined" && one.hand_at !== null)
    .sort((one, other) => Date.parse(one.hand_at ?? "") - Date.parse(other.hand_at ?? ""));
}

/** Whether this user may silence others, put them out and end the call for everybody. */
export function moderates(call: CallView, user: string): boolean {
  return call.moderators.includes(user);
}

/** Whether this user was invited onto the stage of a lecture and sends nothing: he did not agree yet. */
export function notYetOnStage(call: CallView, user: string): boolean {
  const me = call.participants.find((one) => one.user_id === user);
  return Boolean(
    call.lecture && call.started_by !== user && me?.on_stage && !me.audio && !me.video,
  );
}

/** How many are in the call; of a lecture with those who only watch. */
export function peopleIn(call: CallView): number {
  const joined = call.participants.filter((one) => one.state === "joined");
  if (!call.lecture) return joined.length;
  return joined.filter((one) => one.on_stage).length + (call.viewers ?? 0);
}

/** Whether this user only watches. */
export function onlyWatches(call: CallView, user: string): boolean {
  const me = call.participants.find((one) => one.user_id === user);
  return call.lecture && !me?.on_stage;
}
