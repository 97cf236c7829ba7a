import type { Message, Role } from "./types";

/** A recording with what a player shows beside the picture; times in milliseconds from its start. */
export interface RecordingPage {
  recording: {
    id: string;
    call_id: string | null;
    /** `call`, or what was uploaded: it has a title instead of people. */
    origin: "call" | "body_recorder" | "lecture";
    title: string | null;
    state: "recording" | "processing" | "ready" | "failed" | "removed";
    note: "take_missing" | "damaged" | "nothing_recorded" | "composition_failed" | null;
    progress: number;
    started_at: string;
    ended_at: string | null;
    duration_ms: number | null;
    removed_at: string | null;
    removed_rule: string | null;
    files: PlayableFile[];
  };
  room_id: string | null;
  consultation_id: string | null;
  origin_at: string | null;
  layout: RecordingLayout | null;
  /** The picture is being composed in another layout; what was there plays meanwhile. */
  arranging: boolean;
  may_arrange: boolean;
  /** Watching is not taking away. */
  may_download: boolean;
  people: { user_id: string; role: Role; name: string }[];
  moments: RecordingMoment[];
  gaps: RecordingGap[];
  loudness: { user: string; bars: number[] }[];
  /** Written by whoever uploaded it. */
  chapters: { at_ms: number; title: string }[];
  may_edit_chapters: boolean;
  /** What an upload was before it was made playable; null for a call. */
  came: {
    uploaded_at: string;
    size: number | null;
    sha256: string | null;
    video: string | null;
    audio: string | null;
    copied: boolean | null;
  } | null;
  keeping: { until: string | null; held: boolean };
}

export type RecordingLayout = "side_by_side" | "speaker" | "screen";

export interface PlayableFile {
  id: string;
  kind: "composed" | "side" | "screen" | "uploaded";
  user_id: string | null;
  name: string;
  content_type: string;
  size: number;
  duration_ms: number;
  sha256: string;
}

export interface RecordingMoment {
  at_ms: number;
  kind:
    | "joined"
    | "left"
    | "camera_on"
    | "camera_off"
    | "microphone_on"
    | "microphone_off"
    | "screen_on"
    | "screen_off";
  user: string;
}

/** Nothing was received: of one person, or (null) of everybody. */
export interface RecordingGap {
  from_ms: number;
  to_ms: number;
  user: string | null;
}

/** A place worth jumping to. */
export interface Chapter {
  at_ms: number;
  text: string;
  kind: "start" | "person" | "screen" | "card" | "recalled" | "gap" | "notice" | "written";
}

/** Speeds that a player offers. */
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;

const CARDS: Record<string, string> = {
  prescription: "开具处方",
  referral: "转诊推荐",
  exam_order: "开具检查",
  lab_order: "开具检验",
  doctor: "推荐医生",
};
/** Switching a camera or microphone is seen and heard; it is no chapter. */
const MOMENTS: Partial<Record<RecordingMoment["kind"], string>> = {
  joined: "进入通话",
  left: "离开通话",
  screen_on: "开始共享屏幕",
  screen_off: "结束共享屏幕",
};

/** Where a message lies on the line of a recording, in milliseconds; before its start 0. */
export function offsetOf(page: RecordingPage, at: string): number {
  const origin = Date.parse(page.origin_at ?? page.recording.started_at);
  return Math.max(0, Date.parse(at) - origin);
}

/** The chapters of a recording in order: who came and went, screens, cards, what was taken back. */
export function chaptersOf(page: RecordingPage, messages: readonly Message[]): Chapter[] {
  const names = new Map(page.people.map((one) => [one.user_id, one.name]));
  const nameOf = (user: string | null) => names.get(user ?? "") ?? "参与者";
  const chapters: Chapter[] = [{ at_ms: 0, text: "开始", kind: "start" }];
  for (const { at_ms, kind, user } of page.moments) {
    const text = MOMENTS[kind];
    if (text) {
      const screen = kind === "screen_on" || kind === "screen_off";
      chapters.push({ at_ms, text: `${nameOf(user)}${text}`, kind: screen ? "screen" : "person" });
    }
  }
  for (const gap of page.gaps) {
    chapters.push({ at_ms: gap.from_ms, text: gapText(gap, nameOf), kind: "gap" });
  }
  for (const { at_ms, title } of page.chapters) {
    // One that begins with the film takes the place of its start.
    if (at_ms === 0 && chapters[0]?.kind === "start") chapters.shift();
    chapters.push({ at_ms, text: title, kind: "written" });
  }
  for (const message of messages) {
    const at_ms = offsetOf(page, message.at);
    const body = message.body as { type?: string; event?: string; text?: string; title?: string };
    if (message.recalled) {
      chapters.push({ at_ms, text: `${message.sender?.name ?? ""}撤回消息`, kind: "recalled" });
    } else if (message.kind === "card") {
      chapters.push({ at_ms, text: CARDS[body.type ?? ""] ?? body.title ?? "卡片", kind: "card" });
    } else if (message.kind === "system" && !(body.event ?? "").startsWith("call")) {
      if (body.text) chapters.push({ at_ms, text: body.text, kind: "notice" });
    }
  }
  return chapters.sort((a, b) => a.at_ms - b.at_ms);
}

/** What a gap says of itself. */
export function gapText(gap: RecordingGap, nameOf: (user: string) => string): string {
  const seconds = Math.max(1, Math.round((gap.to_ms - gap.from_ms) / 1000));
  return gap.user === null
    ? `全部画面中断 ${seconds} 秒`
    : `${nameOf(gap.user)}的画面和声音中断 ${seconds} 秒`;
}

/** The last of some ordered things that lie at or before a moment; -1 before the first. */
export function lastBefore(things: readonly { at_ms: number }[], now: number): number {
  let found = -1;
  for (let index = 0; index < things.length && things[index]!.at_ms <= now; index++) found = index;
  return found;
}

/** Something that was said, from the words of a recording. */
export interface SpokenLine {
  from_ms: number;
  to_ms: number;
  user: string | null;
  text: string;
}

/** What is to be read over the picture at a moment: everything that is being said then. */
export function subtitleAt(lines: readonly SpokenLine[], now: number): SpokenLine[] {
  return lines.filter((one) => one.from_ms <= now && now < Math.max(one.to_ms, one.from_ms + 500));
}
