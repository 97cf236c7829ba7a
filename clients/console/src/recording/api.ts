import type { Message, RecordingLayout, RecordingPage } from "@zhenjian/realtime";
import { http } from "@/api/http";

export const recordings = {
  show: (id: string) => http.get<RecordingPage>(`/recordings/${id}`),
  messages: (id: string, after: number) =>
    http.get<{ messages: Message[]; has_more: boolean }>(`/recordings/${id}/messages`, { after }),
  arrange: (id: string, layout: RecordingLayout) =>
    http.put<RecordingPage>(`/recordings/${id}/layout`, { layout }),
  /** Reads the stored files and compares them with their digests. */
  check: (id: string) => http.post<{ id: string; whole: boolean }[]>(`/recordings/${id}/check`),
  uploads: (cursor: string | null) =>
    http.get<{ items: Uploaded[]; next: string | null; may_upload: boolean }>(
      "/recordings/uploads",
      { cursor },
    ),
  takeIn: (file_id: string, said: Said) =>
    http.post<RecordingPage>("/recordings/uploads", { file_id, ...said }),
  chapters: (id: string, chapters: { at_ms: number; title: string }[]) =>
    http.put<RecordingPage>(`/recordings/${id}/chapters`, { chapters }),
  endings: (days: number, cursor: string | null) =>
    http.get<Endings>("/recordings/endings", { days, cursor }),
  save: (id: string, file: string) =>
    http.post<{ url: string }>(`/recordings/${id}/files/${file}/download`),
  link: (id: string, file: string) =>
    http.post<{ url: string; expires_at: string }>(`/recordings/${id}/files/${file}/link`),
};

/** All that was said in the room while it recorded. */
export async function saidDuring(id: string): Promise<Message[]> {
  const found: Message[] = [];
  for (;;) {
    const page = await recordings.messages(id, found[found.length - 1]?.seq ?? 0);
    found.push(...page.messages);
    if (!page.has_more || page.messages.length === 0) return found;
  }
}

/** What somebody says of an upload. */
export interface Said {
  origin: "body_recorder" | "lecture";
  title: string;
  room_id: string | null;
  recorded_at: string | null;
}

export interface Uploaded {
  id: string;
  origin: "body_recorder" | "lecture";
  title: string;
  room_id: string | null;
  uploader: string;
  recorded_at: string;
  uploaded_at: string;
  duration_ms: number;
}

export interface Ending {
  id: string;
  origin: keyof typeof ORIGINS;
  title: string;
  started_at: string;
  duration_ms: number;
  bytes: number;
  until: string;
  held: boolean;
}

/** What goes until `by`; nothing is removed by looking. */
export interface Endings {
  years: number;
  by: string;
  items: Ending[];
  next: string | null;
}

export const ORIGINS = {
  call: "通话录像",
  body_recorder: "行为记录仪",
  lecture: "课程录像",
} as const;

/** A place in a recording where something was said. */
export interface SpokenHit {
  recording_id: string;
  room_id: string | null;
  title: string;
  started_at: string;
  at_ms: number;
  speaker: string | null;
  fragments: { text: string; hit: boolean }[];
}

export const LAYOUTS: Record<RecordingLayout, string> = {
  side_by_side: "并排",
  speaker: "突出发言者",
  screen: "突出共享屏幕",
};

export const NOTES: Record<string, string> = {
  take_missing: "有一段录制没有找到，画面可能不完整。找到后会自动补上",
  damaged: "录制文件有损坏，损坏处没有画面和声音",
  no_room: "录制时磁盘空间不足，有一段没有画面和声音",
  nothing_recorded: "没有录到画面和声音",
  composition_failed: "合成失败，请联系管理员",
};

/** What was said, as far as it has been recognised. */
export interface SpeechText {
  state: "none" | "waiting" | "ready" | "failed";
  /** The installation has a recogniser. */
  available: boolean;
  progress: number;
  segments: { from_ms: number; to_ms: number; user: string | null; text: string }[];
}

export const speech = {
  voice: (room: string, seq: number) => http.get<SpeechText>(`/rooms/${room}/messages/${seq}/text`),
  askVoice: (room: string, seq: number) =>
    http.post<SpeechText>(`/rooms/${room}/messages/${seq}/text`),
  /** Words spoken in the recordings that one may watch, the latest first. */
  find: (q: string, room: string | null, cursor: string | null) =>
    http.get<{ items: SpokenHit[]; next: string | null }>("/spoken-words", { q, room, cursor }),
  subtitles: (id: string) => http.text(`/recordings/${id}/subtitles.vtt`),
  recording: (id: string) => http.get<SpeechText>(`/recordings/${id}/text`),
  askRecording: (id: string) => http.post<SpeechText>(`/recordings/${id}/text`),
  download: (id: string) => http.download(`/recordings/${id}/subtitles.vtt`, {}, "字幕.vtt"),
};
