import { onScopeDispose, ref, watch, type Ref } from "vue";
import { speech } from "@/recording/api";

/** The words of a recording as a track over the picture. */
export interface Subtitles {
  /** An address for the player; null while there are no words. */
  url: Ref<string | null>;
  on: Ref<boolean>;
  toggle: () => void;
  /** The words are there now, or were made anew. */
  reload: () => Promise<void>;
}

const KEY = "zhenjian.subtitles";

export function useSubtitles(id: () => string, element: Ref<HTMLVideoElement | null>): Subtitles {
  const url = ref<string | null>(null);
  const on = ref(localStorage.getItem(KEY) !== "off");

  function show(): void {
    for (const track of element.value?.textTracks ?? []) {
      track.mode = on.value ? "showing" : "hidden";
    }
  }
  function forget(): void {
    if (url.value) URL.revokeObjectURL(url.value);
    url.value = null;
  }
  async function reload(): Promise<void> {
    const asked = id();
    let text: string;
    try {
      // Where nobody has had it recognised, the panel beside says so, and offers it.
      if ((await speech.recording(asked)).state !== "ready") return;
      text = await speech.subtitles(asked);
    } catch {
      // The picture plays without them; the panel tells what went wrong.
      return;
    }
    if (asked !== id()) return;
    forget();
    url.value = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
  }
  function toggle(): void {
    on.value = !on.value;
    localStorage.setItem(KEY, on.value ? "on" : "off");
  }
  watch([on, url, element], show, { flush: "post" });
  watch(
    id,
    () => {
      forget();
      void reload();
    },
    { immediate: true },
  );
  onScopeDispose(forget);
  return { url, on, toggle, reload };
}
