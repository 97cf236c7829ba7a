import { handsOf, moderates, type CallClient } from "@zhenjian/realtime";
import { computed, ref } from "vue";
import { may } from "@/access/menus";
import { callClient, live } from "@/realtime";
import { session } from "@/session";
import { useNow } from "@/support/async";
import { attempt } from "@/support/feedback";
import { duration } from "@/support/format";
import { CALL_ENDS } from "@/support/labels";

export type Size = "normal" | "small" | "large";

const LINES: Record<Size, number> = { small: 130, normal: 252, large: 1080 };
/** Of the small pictures; a small window shows none. */
const THUMB_LINES: Record<Size, number> = { small: 0, normal: 75, large: 144 };

/** What the parts of the call window show of the call, and do to it. */
export function useCallState() {
  const now = useNow();
  const status = computed(() => live.call);
  const phase = computed(() => status.value?.phase ?? "idle");
  const call = computed(() => status.value?.call ?? null);
  const others = computed(
    () => call.value?.participants.filter((one) => one.user_id !== session.user?.id) ?? [],
  );
  /** Of a lecture those on its stage. */
  const joined = computed(() =>
    others.value.filter((one) => one.state === "joined" && one.on_stage),
  );
  /** Of several the one who speaks, or spoke last. */
  const main = computed(
    () =>
      joined.value.find((one) => one.user_id === status.value?.speaker) ??
      joined.value[0] ??
      // Of a lecture, whoever is not on its stage is no picture.
      (call.value?.lecture ? null : others.value[0]) ??
      null,
  );
  const sharer = computed(() => joined.value.find((one) => one.screen) ?? null);
  /** The screen that somebody else shares. */
  const screen = computed(() =>
    sharer.value ? (live.screens.get(sharer.value.user_id) ?? null) : null,
  );
  const video = computed(() => call.value?.media === "video");
  const moderator = computed(() =>
    Boolean(call.value && session.user && moderates(call.value, session.user.id)),
  );
  const listening = computed(() => status.value?.listening ?? "no");
  /** A supervisor who looks on may silence somebody and put him out. */
  const intervenes = computed(() => listening.value === "observer" && may("room.intervene"));
  const hands = computed(() => (call.value?.lecture ? handsOf(call.value) : []));
  const handUp = computed(() => hands.value.some((one) => one.user_id === session.user?.id));
  /** We may send: not as a listener, nor before we agreed to go onto the stage. */
  const onStage = computed(() => listening.value === "no" && !status.value?.invited);
  /** On the stage of somebody else's lecture. */
  const guest = computed(
    () => onStage.value && Boolean(call.value?.lecture) && !moderator.value && !!session.user,
  );
  const connected = computed(() => phase.value === "connected");
  const elapsed = computed(() => {
    const from = call.value?.answered_at;
    return from ? duration(now.value - Date.parse(from)) : "";
  });
  const line = computed(() => {
    switch (phase.value) {
      case "outgoing":
        if (listening.value === "observer") return "正在接入旁听…";
        return call.value?.asks_recording
          ? "正在呼叫，等待患者同意录制并接听…"
          : "正在呼叫，等待对方接听…";
      case "incoming":
        if (call.value?.asks_recording) return "患者同意录制后可以接听";
        return video.value ? "邀请你视频通话" : "邀请你语音通话";
      case "connecting":
        return "正在接通…";
      case "reconnecting":
        return "通话中断，正在恢复…";
      case "ended":
        return CALL_ENDS[status.value?.endReason ?? ""] ?? "通话已结束";
      default:
        return elapsed.value;
    }
  });

  const busy = ref(false);
  const act = (work: () => Promise<void>) => async () => {
    if (busy.value) return;
    busy.value = true;
    await attempt(work);
    busy.value = false;
  };
  const moderate = (user: string, action: Parameters<CallClient["moderate"]>[1]) =>
    act(() => callClient().moderate(user, action))();

  /** The size that is sent follows the size that is shown. */
  function follow(size: Size): void {
    if (!main.value || !connected.value) return;
    const large = (LINES[size] * (window.devicePixelRatio || 1)) | 0;
    const small = THUMB_LINES[size];
    const shown = Object.fromEntries(joined.value.map((one) => [one.user_id, small]));
    shown[main.value.user_id] = screen.value ? small : large;
    void callClient().show(shown, screen.value ? large : undefined);
  }

  return {
    status,
    phase,
    call,
    others,
    joined,
    main,
    sharer,
    screen,
    video,
    moderator,
    intervenes,
    listening,
    hands,
    handUp,
    onStage,
    guest,
    connected,
    elapsed,
    line,
    busy,
    act,
    moderate,
    follow,
  };
}

export type CallState = ReturnType<typeof useCallState>;
