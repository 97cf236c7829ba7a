/** How one wants to be reminded; kept with the account, so that it follows to every desk. */
import { reactive } from "vue";
import { me, type Reminders } from "@/api";
import { whenStarted } from "@/realtime";
import { sound } from "@/support/sound";

export const reminders = reactive<Reminders>({ sound: !sound.muted, popup: true });

function take(chosen: Reminders): void {
  Object.assign(reminders, chosen);
  sound.muted = !chosen.sound;
}

export async function changeReminders(change: Partial<Reminders>): Promise<void> {
  take(await me.changeReminders({ ...reminders, ...change }));
}

whenStarted(() => {
  // Without an answer it stays as it was on this desk.
  me.reminders().then(take, () => undefined);
});
