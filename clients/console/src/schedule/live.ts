import { onScopeDispose } from "vue";
import { rooms } from "@/realtime";
import { debounced } from "@/support/async";

/** Runs when one of these hints came; many in a row cost one look. */
export function onHints(codes: readonly string[], look: () => void): void {
  const soon = debounced(look, 250);
  const stops = [
    rooms().on("notice", ({ code }) => codes.includes(code) && soon()),
    rooms().on("online", ({ again }) => again && soon()),
  ];
  onScopeDispose(() => stops.forEach((stop) => stop()));
}
