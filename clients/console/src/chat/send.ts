import type { FileBody, Room } from "@zhenjian/realtime";
import { files } from "@/api";
import { asProblem } from "@/api/problem";
import { warn } from "@/support/feedback";

/** Said before an upload is begun; the server checks again, by content. */
const LIMITS = { image: 20, video: 100, file: 50, voice: 20 } as const;
type Kind = keyof typeof LIMITS;

export function kindOf(file: File): Kind {
  if (file.type.startsWith("image/")) return "image";
  if (file.type.startsWith("video/")) return "video";
  return "file";
}

function sendBlob(
  room: Room,
  kind: Kind,
  blob: Blob,
  name: string,
  replyTo: number | null,
  more: { durationMs?: number } = {},
): void {
  room.send({
    kind,
    replyTo,
    local: { url: URL.createObjectURL(blob), name, size: blob.size, ...more },
    prepare: async (progress): Promise<FileBody> => {
      try {
        return { file: await files.upload(blob, name, "message", progress) };
      } catch (error) {
        throw new Error(asProblem(error).text, { cause: error });
      }
    },
  });
}

export function sendFiles(room: Room, chosen: Iterable<File>, replyTo: number | null): void {
  for (const file of chosen) {
    const kind = kindOf(file);
    if (file.size === 0) warn(`“${file.name}”是空文件`);
    else if (file.size > LIMITS[kind] * 1024 ** 2) warn(`“${file.name}”超过 ${LIMITS[kind]} MB`);
    else sendBlob(room, kind, file, file.name || "图片.png", replyTo);
  }
}

export function sendVoice(
  room: Room,
  take: { blob: Blob; name: string; durationMs: number },
  replyTo: number | null,
): void {
  sendBlob(room, "voice", take.blob, take.name, replyTo, { durationMs: take.durationMs });
}
