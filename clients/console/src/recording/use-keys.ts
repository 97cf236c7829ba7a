import { onMounted, onUnmounted } from "vue";
import type { Chapter } from "@zhenjian/realtime";
import type { Player } from "@/recording/use-player";

/** The keys of the player, wherever on its page the focus is, except where somebody types. */
export function usePlayerKeys(
  player: Player,
  lengthMs: () => number,
  chapters: () => Chapter[],
  chapter: () => number,
  subtitles: () => void,
): void {
  function onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement | null;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target?.closest("input, textarea, select, [role=tab], [role=dialog]")) return;
    if (target?.closest("button, a, .el-segmented") && [" ", "Enter"].includes(event.key)) return;
    const now = player.nowMs.value;
    const next = chapters()[chapter() + 1];
    const before = chapters()[Math.max(0, chapter() - 1)];
    const acts: Record<string, () => void> = {
      " ": player.toggle,
      k: player.toggle,
      ArrowLeft: () => player.seek(now - 5000),
      ArrowRight: () => player.seek(now + 5000),
      j: () => player.seek(now - 15_000),
      l: () => player.seek(now + 15_000),
      Home: () => player.seek(0),
      End: () => player.seek(lengthMs() - 500),
      "[": () => before && player.seek(before.at_ms),
      "]": () => next && player.seek(next.at_ms),
      "<": () => player.faster(-1),
      ">": () => player.faster(1),
      c: subtitles,
      f: () => void player.element.value?.requestFullscreen(),
    };
    const act = acts[event.key];
    if (!act || !player.url.value) return;
    event.preventDefault();
    act();
  }
  onMounted(() => window.addEventListener("keydown", onKey));
  onUnmounted(() => window.removeEventListener("keydown", onKey));
}
