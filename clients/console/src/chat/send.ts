import type { FileBody, Room } from "@zhenjian/realtime";
import { asProblem } from "@/api/problem";
import { uploadOf } from "@/chat/upload";
import { warn } from "@/support/feedback";

/** Said before an upload is begun; the server checks again, by content. */
const LIMITS = { image: 20, video: 200, file: 50, voice: 15 } as const;
type Kind = keyof typeof LIMITS;

export function kindOf(file: File): Kind {
  // Many a desk has no type for what iPhones take.
  if (file.type.startsWith("image/") || /\.(heic|heif)$/i.test(file.name)) return "image";
  if (file.type.startsWith("video/") || /\.(mov|mp4|m4v|3gp)$/i.test(file.name)) return "video";
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
  const upload = uploadOf(blob, name);
  const url = URL.createObjectURL(blob);
  room.send({
    kind,
    replyTo,
    local: { url, name, size: blob.size, ...more },
    cancel: () => {
      upload.cancel();
      URL.revokeObjectURL(url);
    },
    prepare: async (progress): Promise<FileBody> => {
      try {
        return { file: await upload.run(progress) };
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
