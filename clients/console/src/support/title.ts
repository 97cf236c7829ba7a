import { computed, watchEffect } from "vue";
import { useRoute } from "vue-router";
import { live } from "@/realtime";
import { waitingCount } from "@/reception/counts";

/** The page's title with the number of things that wait: it is seen from another tab too. */
export function useDocumentTitle(): void {
  const route = useRoute();
  const waiting = computed(() => waitingCount.value || live.unread);
  watchEffect(() => {
    const page = (route.meta["title"] as string | undefined) ?? "";
    const badge = waiting.value > 0 ? `(${waiting.value}) ` : "";
    document.title = `${badge}${page ? `${page} · ` : ""}诊间`;
  });
}
