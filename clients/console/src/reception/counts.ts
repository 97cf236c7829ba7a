import { computed, shallowRef } from "vue";
import { consultations } from "@/api";
import type { ConsultationCounts } from "@/api/types";
import { whenStarted } from "@/realtime";
import { session, treats } from "@/session";
import { debounced } from "@/support/async";

/** Numbers of consultations by state, kept fresh by whatever the socket tells. */
export const counts = shallowRef<ConsultationCounts | null>(null);
export const waitingCount = computed(() => (treats() ? (counts.value?.waiting ?? 0) : 0));

export async function refreshCounts(): Promise<void> {
  const role = session.role;
  if (!treats() && role !== "supervisor" && role !== "administrator") return;
  try {
    counts.value = await consultations.counts();
  } catch {
    // The number stays as it was; the next event asks again.
  }
}

const soon = debounced(() => void refreshCounts(), 250);

whenStarted((client) => {
  counts.value = null;
  void refreshCounts();
  client.on("online", soon);
  client.on("inbox", soon);
  client.on("notice", soon);
  client.on("room-state", soon);
});
