import { ref, shallowRef } from "vue";
import {
  ResumableUpload,
  UploadCancelled,
  UploadPaused,
  type FileRef,
  type UploadStage,
} from "@zhenjian/realtime";
import { http } from "@/api/http";
import { asProblem } from "@/api/problem";
import { refusal, uploadPort } from "@/chat/upload";
import { recordings, type Said } from "@/recording/api";
import { session } from "@/session";

/** What is remembered of an upload, so that a reload or another tab goes on with it. */
export interface Kept {
  id: string | null;
  name: string;
  size: number;
  said: Said;
  /** All has arrived: the file itself is not needed any more. */
  sent: boolean;
}

export type State = "idle" | "running" | "paused" | "failed";
const KEY = () => `zhenjian.recording-upload.${session.user?.id ?? ""}`;

function remembered(): Kept | null {
  try {
    return JSON.parse(localStorage.getItem(KEY()) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}

/** One recording on its way to the house; `done` hears of the finished one. */
export function useRecordingUpload(done: (id: string) => void) {
  const kept = shallowRef<Kept | null>(remembered());
  const state = ref<State>(kept.value ? "paused" : "idle");
  const stage = ref<UploadStage>("uploading");
  const share = ref(0);
  const problem = ref("");
  const file = shallowRef<File | null>(null);
  let upload: ResumableUpload | null = null;

  /** How far it was when the page was left, or that it is gone: the server keeps it for a day. */
  async function look(): Promise<void> {
    const id = kept.value?.id;
    if (!id) return;
    try {
      const view = await http.get<{ offset: number; length: number }>(`/uploads/${id}`);
      if (state.value !== "paused" || !kept.value) return;
      share.value = view.offset / view.length;
      keep({ ...kept.value, sent: view.offset === view.length });
    } catch (error) {
      // Without the network the bar begins where it is shown next; what has expired begins anew.
      if (asProblem(error).status === 404 && kept.value)
        keep({ ...kept.value, id: null, sent: false });
    }
  }

  function keep(now: Kept | null): void {
    kept.value = now;
    if (now) localStorage.setItem(KEY(), JSON.stringify(now));
    else localStorage.removeItem(KEY());
  }

  function start(chosen: File, said: Said): void {
    file.value = chosen;
    keep({ id: null, name: chosen.name, size: chosen.size, said, sent: false });
    void go();
  }

  /** Goes on with the same file; `chosen` brings it back after a reload. Says what is wrong with it. */
  function resume(chosen: File | null): string | null {
    const now = kept.value;
    if (!now) return null;
    if (chosen && (chosen.name !== now.name || chosen.size !== now.size)) {
      return `请选择同一个文件：${now.name}`;
    }
    file.value = chosen ?? file.value;
    void go();
    return null;
  }

  async function go(): Promise<void> {
    const now = kept.value;
    if (!now) return;
    state.value = "running";
    problem.value = "";
    const source = {
      name: now.name,
      size: now.size,
      read: (start: number, end: number) =>
        file.value?.slice(start, end).arrayBuffer() ?? Promise.reject(new UploadPaused()),
    };
    upload = new ResumableUpload(uploadPort, source, "recording", {
      id: now.id,
      begun: (id) => kept.value && keep({ ...kept.value, id }),
    });
    try {
      const ref = await upload.run((part, at) => {
        share.value = part;
        stage.value = at;
        if (at === "processing" && kept.value && !kept.value.sent) {
          keep({ ...kept.value, sent: true });
        }
      });
      await takeIn(ref, now.said);
    } catch (error) {
      await stopped(error);
    }
  }

  async function takeIn(ref: FileRef, said: Said): Promise<void> {
    const page = await recordings.takeIn(ref.id, said);
    keep(null);
    state.value = "idle";
    done(page.recording.id);
  }

  async function stopped(error: unknown): Promise<void> {
    if (error instanceof UploadCancelled) return;
    state.value = error instanceof UploadPaused ? "paused" : "failed";
    if (state.value === "paused") return;
    problem.value = asProblem(await refusal(error)).text;
  }

  function pause(): void {
    upload?.pause();
  }

  function cancel(): void {
    const id = kept.value?.id ?? null;
    if (upload && state.value === "running") upload.cancel();
    else if (id)
      void uploadPort.request({
        method: "DELETE",
        path: `/uploads/${id}`,
        headers: {},
        body: null,
      });
    keep(null);
    file.value = null;
    share.value = 0;
    state.value = "idle";
    problem.value = "";
  }

  void look();
  return { kept, state, stage, share, problem, file, start, resume, pause, cancel };
}
