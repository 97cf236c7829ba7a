import { onScopeDispose } from "vue";
import { rooms } from "@/realtime";
import { debounced } from "@/support/async";

/**
 * Runs `work` when the server says that something changed (a notice with this code) and after the
 * connection was away, for as long as the page lives.
 */
export function whenChanged(code: string, work: () => unknown): void {
  const soon = debounced(() => void work(), 200);
  const stops = [
    rooms().on("notice", (notice) => {
      if (notice.code === code) soon();
    }),
    rooms().on("online", soon),
  ];
  onScopeDispose(() => stops.forEach((stop) => stop()));
}
