import type { Message, MessageKind, Role } from "@zhenjian/realtime";
import { http } from "@/api/http";
import type { FileLink } from "@/api/types";

/** Finding messages in one's own rooms, transcripts, and what was taken back. */

export interface Fragment {
  text: string;
  hit: boolean;
}
export interface Hit {
  subject: { title: string; consultation_id: string | null };
  state: "waiting" | "active" | "closed";
  message: Message;
  fragments: Fragment[];
}
export interface SearchPage {
  items: Hit[];
  next: string | null;
  /** Entries passed so far, of all. */
  looked: number;
  total: number;
}
export interface Wanted {
  q: string;
  room?: string | null;
  kind?: MessageKind | null;
  since?: string | null;
}

export interface Transcript {
  id: string;
  room: string;
  number: string;
  state: "waiting" | "running" | "ready" | "failed" | "expired";
  done: number;
  total: number;
  created_at: string;
  expires_at: string | null;
  digest: string | null;
}
export interface TranscriptCheck {
  digest: string;
  intact: boolean;
  number: string | null;
  made_at: string | null;
  entries: number | null;
}
export interface Original {
  seq: number;
  kind: MessageKind;
  sender: { user_id: string; name: string; role: Role } | null;
  body: Record<string, unknown>;
  at: string;
  recalled_at: string;
  preview: string | null;
  /** Opens the file for this session, for a while. */
  link: FileLink | null;
}

export const records = {
  search: (wanted: Wanted, cursor: string | null) =>
    http.get<SearchPage>("/rooms/search", { ...wanted, cursor }),
  ask: (room: string) => http.post<Transcript>(`/rooms/${room}/transcripts`),
  transcripts: (room: string) => http.get<Transcript[]>(`/rooms/${room}/transcripts`),
  transcript: (id: string) => http.get<Transcript>(`/transcripts/${id}`),
  links: (id: string) =>
    http.post<{ json_url: string; pdf_url: string }>(`/transcripts/${id}/links`),
  async check(file: Blob): Promise<TranscriptCheck> {
    const answer = await http.raw({
      method: "POST",
      path: "/transcripts/check",
      headers: {},
      body: file,
      sent: () => undefined,
    });
    if (answer.status !== 200) throw new Error("文件过大或无法读取");
    return answer.body as TranscriptCheck;
  },
  original: (room: string, seq: number, reason: string) =>
    http.post<Original>(`/rooms/${room}/messages/${seq}/original`, { reason }),
};
