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
  recording: (id: string) => http.get<SpeechText>(`/recordings/${id}/text`),
  askRecording: (id: string) => http.post<SpeechText>(`/recordings/${id}/text`),
  download: (id: string) => http.download(`/recordings/${id}/subtitles.vtt`, {}, "字幕.vtt"),
};
