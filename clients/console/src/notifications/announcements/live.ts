import { onScopeDispose } from "vue";
import { rooms } from "@/realtime";
import { debounced } from "@/support/async";

/** Runs when an announcement appeared, changed or went; many in a row cost one look. */
export function onAnnouncements(look: () => void): void {
  const soon = debounced(look, 300);
  const stops = [
    rooms().on("notice", ({ code }) => code === "announcements_changed" && soon()),
    rooms().on("online", ({ again }) => again && soon()),
  ];
  onScopeDispose(() => stops.forEach((stop) => stop()));
}
