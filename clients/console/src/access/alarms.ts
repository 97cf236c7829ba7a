/** How many alarms are open, for the badge: asked anew when the server says that it changed. */
import { ref } from "vue";
import { alarms } from "@/access/api";
import { may } from "@/access/menus";
import { whenStarted } from "@/realtime";
import { session } from "@/session";

export const openAlarms = ref(0);
const OFFICERS = ["administrator", "supervisor"];

export async function countAlarms(): Promise<void> {
  if (!OFFICERS.includes(session.role ?? "") || !may("alarm.read")) {
    openAlarms.value = 0;
    return;
  }
  try {
    openAlarms.value = (await alarms.count()).open;
  } catch {
    // The badge keeps its number until the next change.
  }
}

whenStarted((client) => {
  void countAlarms();
  client.on("inbox", (item) => {
    if (item.type === "alarm") void countAlarms();
  });
  client.on("notice", (notice) => {
    if (notice.code === "alarms_changed") void countAlarms();
  });
});
