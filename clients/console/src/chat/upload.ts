import {
  patiently,
  RESUMABLE_FROM,
  ResumableUpload,
  UploadCancelled,
  UploadRefused,
  type UploadPort,
  type UploadProgress,
} from "@zhenjian/realtime";
import { files } from "@/api";
import { http } from "@/api/http";
import { Problem, problemOf } from "@/api/problem";
import type { FileRef } from "@/api/types";

/** An upload of one attachment. `run` may be called again after a failure. */
export interface Upload {
  run(progress: UploadProgress): Promise<FileRef>;
  cancel(): void;
}

/** Resolves after a while, or as soon as the browser says that it is online again. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
  });
}

export const uploadPort: UploadPort = {
  request: async ({ sent, ...request }) => {
    try {
      return await http.raw({ ...request, sent: (loaded) => sent?.(loaded) });
    } catch (error) {
      // Nobody is logged in any more, say: no network will bring that back.
      const known = error instanceof Problem && error.code !== "offline";
      throw known
        ? new UploadRefused(error.status, { code: error.code, title: error.text })
        : error;
    }
  },
  pause,
};

/** Large files go in pieces that survive a broken connection, small ones in one request. */
export function uploadOf(blob: Blob, name: string): Upload {
  return blob.size >= RESUMABLE_FROM ? inPieces(blob, name) : atOnce(blob, name);
}

function inPieces(blob: Blob, name: string): Upload {
  const read = (start: number, end: number) => blob.slice(start, end).arrayBuffer();
  const upload = new ResumableUpload(uploadPort, { name, size: blob.size, read }, "message");
  return {
    cancel: () => upload.cancel(),
    run: async (progress) => {
      try {
        return await upload.run(progress);
      } catch (error) {
        throw await refusal(error);
      }
    },
  };
}

/** What the server refused, as a problem; anything else as it is. */
export async function refusal(error: unknown): Promise<unknown> {
  if (!(error instanceof UploadRefused)) return error;
  return problemOf(new Response(JSON.stringify(error.body), { status: error.status }));
}

const SMALL_PAUSE_MS = 4000;

function atOnce(blob: Blob, name: string): Upload {
  let cancelled = false;
  return {
    cancel: () => (cancelled = true),
    run: (progress) =>
      patiently(
        async () => {
          if (cancelled) throw new UploadCancelled();
          return files.upload(blob, name, "message", (share) =>
            progress(share, share < 1 ? "uploading" : "processing"),
          );
        },
        (error) => error instanceof Problem && error.code === "offline",
        () => {
          progress(0, "waiting");
          return pause(SMALL_PAUSE_MS);
        },
      ),
  };
}
