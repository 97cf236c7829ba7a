import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import type { PlayableFile } from "@zhenjian/realtime";
import { SPEEDS } from "@zhenjian/realtime";
import { claimPlayer } from "@/chat/player";
import { recordings } from "@/recording/api";
import { attempt } from "@/support/feedback";

export interface Player {
  element: Ref<HTMLVideoElement | null>;
  file: ShallowRef<PlayableFile | null>;
  url: Ref<string | null>;
  opening: Ref<boolean>;
  playing: Ref<boolean>;
  nowMs: Ref<number>;
  loaded: Ref<number>;
  speed: Ref<number>;
  broken: Ref<boolean>;
  open: (file: PlayableFile) => Promise<void>;
  toggle: () => void;
  seek: (ms: number) => void;
  faster: (step: 1 | -1) => void;
  choose: (speed: number) => void;
  /** Listeners of the element. */
  on: Record<string, () => void>;
}

/** Plays files of one recording; another file goes on at the same moment and speed. */
export function usePlayer(recording: () => string, lengthMs: () => number): Player {
  const element = ref<HTMLVideoElement | null>(null);
  const file = shallowRef<PlayableFile | null>(null);
  const url = ref<string | null>(null);
  const [opening, playing, broken] = [ref(false), ref(false), ref(false)];
  const [nowMs, loaded, speed] = [ref(0), ref(0), ref(1)];
  let resume: { at: number; play: boolean } | null = null;
  let renewed = -1;
  let release: (() => void) | null = null;
  let frame = 0;

  async function open(wanted: PlayableFile): Promise<void> {
    if (opening.value) return;
    opening.value = true;
    broken.value = false;
    const again = resume ?? { at: nowMs.value, play: file.value === null || playing.value };
    await attempt(async () => {
      const link = await recordings.link(recording(), wanted.id);
      resume = again;
      file.value = wanted;
      url.value = link.url;
    });
    opening.value = false;
  }
  function seek(ms: number): void {
    const video = element.value;
    const to = Math.min(Math.max(0, ms), lengthMs());
    nowMs.value = to;
    // Before anything is loaded the place is kept for later.
    if (video && video.readyState > 0) video.currentTime = to / 1000;
    else if (resume) resume.at = to;
  }
  function toggle(): void {
    const video = element.value;
    if (!video) return;
    if (video.paused) void video.play().catch(() => undefined);
    else video.pause();
  }
  function choose(wanted: number): void {
    speed.value = wanted;
    if (element.value) element.value.playbackRate = wanted;
  }
  function faster(step: 1 | -1): void {
    const index = SPEEDS.findIndex((one) => one === speed.value) + step;
    const next = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index))];
    if (next !== undefined) choose(next);
  }
  // Four times a second, as browsers tell, is too coarse for a moving line.
  function follow(): void {
    if (element.value && !element.value.seeking) nowMs.value = element.value.currentTime * 1000;
    frame = playing.value ? requestAnimationFrame(follow) : 0;
  }
  const on = {
    loadedmetadata: () => {
      const video = element.value;
      if (!video || !resume) return;
      const { at, play } = resume;
      resume = null;
      video.playbackRate = speed.value;
      if (at > 0) video.currentTime = at / 1000;
      if (play) void video.play().catch(() => undefined);
    },
    play: () => {
      playing.value = true;
      release = claimPlayer(() => element.value?.pause());
      follow();
    },
    pause: () => (playing.value = false),
    seeked: () => follow(),
    timeupdate: () => follow(),
    progress: () => {
      const video = element.value;
      if (!video || !video.buffered.length || !video.duration) return;
      loaded.value = video.buffered.end(video.buffered.length - 1) / video.duration;
    },
    error: () => {
      const at = nowMs.value;
      if (!file.value || renewed === at) {
        broken.value = true;
        return;
      }
      // The link ran out while it was paused: a new one, at the same place, once.
      renewed = at;
      resume = { at, play: playing.value };
      void open(file.value);
    },
  };
  onScopeDispose(() => {
    cancelAnimationFrame(frame);
    element.value?.pause();
    release?.();
  });
  return {
    element,
    file,
    url,
    opening,
    playing,
    nowMs,
    loaded,
    speed,
    broken,
    open,
    toggle,
    seek,
    faster,
    choose,
    on,
  };
}
