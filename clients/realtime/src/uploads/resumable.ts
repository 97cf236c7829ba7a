import { newClientId } from "../ids";
import type { FileRef } from "../types";
import { base64, utf8 } from "./encoding";

/** `waiting`: the network is gone; `processing`: all is there, the server converts it. */
export type UploadStage = "uploading" | "waiting" | "processing";
export type UploadProgress = (share: number, stage: UploadStage) => void;

export interface UploadRequest {
  method: "POST" | "PATCH" | "GET" | "DELETE";
  path: string;
  headers: Record<string, string>;
  body: ArrayBuffer | null;
  /** Bytes of the body that have left. */
  sent?: (bytes: number) => void;
  /** Receives what ends the request early. */
  abortable?: (abort: () => void) => void;
}

export interface UploadAnswer {
  status: number;
  /** Parsed JSON, or null. */
  body: unknown;
}

/** What an application lends to uploads: its HTTP with its token, and its sense of the network. */
export interface UploadPort {
  /** Resolves with any status; rejects when nothing came back, with `UploadRefused` when asking again is no use. */
  request(request: UploadRequest): Promise<UploadAnswer>;
  /** Resolves after `ms`, or earlier when the network seems to be back. */
  pause(ms: number): Promise<void>;
}

/** Something to upload, read in parts. */
export interface UploadSource {
  name: string;
  /** Bytes. */
  size: number;
  read(start: number, end: number): Promise<ArrayBuffer>;
}

/** The server's refusal: its status and problem body. */
export class UploadRefused extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {
    super(String((body as { code?: string } | null)?.code ?? status));
  }
}

/** The person changed their mind. */
export class UploadCancelled extends Error {}

interface View {
  id: string;
  offset: number;
  state: string;
  percent: number;
  file: FileRef | null;
}

/** From here on a file is worth the further requests. */
export const RESUMABLE_FROM = 1024 * 1024;
const PIECE_BYTES = 4 * 1024 * 1024;
const LONGEST_PAUSE_MS = 15_000;
/** Between two looks at a conversion. */
const LONGEST_LOOK_MS = 2400;
/** Answers of a server that is busy, restarting, or knows better in a moment. */
const TRANSIENT = [408, 409, 425, 429, 460, 500, 502, 503, 504];
/** So often in a row the server itself may fail; the network may fail for as long as it likes. */
const MOST_FAILURES = 12;

/** The person wants it to rest; {@link ResumableUpload.run} goes on where it stood. */
export class UploadPaused extends Error {}

/**
 * One upload by the tus protocol, which goes on where it was broken off. {@link run} may be called again after a
 * failure or a pause and sends only what is missing; another page goes on with the same `id`.
 */
export class ResumableUpload {
  private readonly key = newClientId();
  private id: string | null;
  private offset = 0;
  private cancelled = false;
  private abort: () => void = () => undefined;
  private pauses = 0;
  private failures = 0;
  private progress: UploadProgress = () => undefined;

  constructor(
    private readonly port: UploadPort,
    private readonly source: UploadSource,
    private readonly purpose: string,
    known: { id: string | null; begun?: (id: string) => void } = { id: null },
  ) {
    this.id = known.id;
    this.begun = known.begun ?? (() => undefined);
  }

  /** @throws UploadRefused, UploadCancelled, UploadPaused */
  async run(progress: UploadProgress): Promise<FileRef> {
    this.progress = progress;
    this.failures = 0;
    this.paused = false;
    for (;;) {
      try {
        await this.begin();
        while (this.offset < this.source.size) await this.sendPiece();
        return await this.finish();
      } catch (error) {
        if (!(error instanceof UploadRefused) || error.status !== 404 || this.id === null) {
          throw error;
        }
        // It expired while the device slept: from the beginning, once more.
        if (this.restarted) throw error;
        this.restarted = true;
        this.id = null;
        this.offset = 0;
      }
    }
  }

  /** Lets it rest: what the server has stays for a day. */
  pause(): void {
    this.paused = true;
    this.abort();
  }

  /** Ends it; what the server has is given up. */
  cancel(): void {
    this.cancelled = true;
    this.abort();
    if (this.id !== null) this.giveUp(this.id);
  }

  private giveUp(id: string): void {
    const path = `/uploads/${id}`;
    const request = this.port.request({ method: "DELETE", path, headers: {}, body: null });
    // The server collects it by itself, should this not arrive.
    request.catch(() => undefined);
  }

  private restarted = false;
  private paused = false;
  private readonly begun: (id: string) => void;

  private async begin(): Promise<void> {
    if (this.id !== null) {
      this.offset = (await this.ask({ method: "GET", path: `/uploads/${this.id}` })).offset;
      return;
    }
    const fields = { purpose: this.purpose, filename: this.source.name };
    const metadata = Object.entries(fields)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `${name} ${base64(utf8(value))}`);
    const view = await this.ask({
      method: "POST",
      path: "/uploads",
      headers: {
        // The same key, should the answer be lost: there is one upload whatever happens.
        "Idempotency-Key": this.restarted ? `${this.key}-2` : this.key,
        "Upload-Length": String(this.source.size),
        "Upload-Metadata": metadata.join(","),
      },
    });
    this.id = view.id;
    this.offset = view.offset;
    this.begun(view.id);
  }

  private async sendPiece(): Promise<void> {
    const start = this.offset;
    const end = Math.min(this.source.size, start + PIECE_BYTES);
    const body = await this.source.read(start, end);
    const headers: Record<string, string> = {
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(start),
    };
    const digest = await sha256(body);
    if (digest !== null) headers["Upload-Checksum"] = `sha256 ${digest}`;
    const path = `/uploads/${this.id}`;
    this.tell(start, "uploading");
    try {
      const answer = await this.request({
        method: "PATCH",
        path,
        headers,
        body,
        sent: (bytes) => this.tell(start + bytes, "uploading"),
      });
      if (answer.status < 300) {
        this.offset = end;
        this.pauses = this.failures = 0;
        return;
      }
      await this.refusedOrPaused(answer);
    } catch (error) {
      if (isFinal(error)) throw error;
      await this.wait();
    }
    // Whatever became of the piece, the server knows.
    this.offset = (await this.ask({ method: "GET", path })).offset;
  }

  private async finish(): Promise<FileRef> {
    for (let wait = 300; ; wait = Math.min(LONGEST_LOOK_MS, wait * 2)) {
      const view = await this.ask({ method: "POST", path: `/uploads/${this.id}/file` });
      if (view.file !== null) return view.file;
      this.progress(view.percent / 100, "processing");
      await this.port.pause(wait);
    }
  }

  /** A request that is repeated until it is answered with success or a refusal. */
  private async ask(
    what: Pick<UploadRequest, "method" | "path"> & { headers?: Record<string, string> },
  ): Promise<View> {
    for (;;) {
      let answer: UploadAnswer;
      try {
        answer = await this.request({ body: null, ...what, headers: what.headers ?? {} });
      } catch (error) {
        if (isFinal(error)) throw error;
        await this.wait();
        continue;
      }
      if (answer.status < 300) {
        this.pauses = 0;
        return answer.body as View;
      }
      await this.refusedOrPaused(answer);
    }
  }

  private async request(request: UploadRequest): Promise<UploadAnswer> {
    this.checkCancelled();
    // The answer to the first request names what is to be given up, so it is waited for.
    const abortable = this.id === null ? undefined : (abort: () => void) => (this.abort = abort);
    try {
      const answer = await this.port.request({ ...request, ...(abortable && { abortable }) });
      const begun = (answer.body as View | null)?.id;
      if (this.cancelled && this.id === null && begun !== undefined) this.giveUp(begun);
      return answer;
    } finally {
      this.abort = () => undefined;
      this.checkCancelled();
    }
  }

  private async refusedOrPaused({ status, body }: UploadAnswer): Promise<void> {
    this.failures += 1;
    const code = (body as { code?: string } | null)?.code;
    const hopeless = !TRANSIENT.includes(status) || code === "upload_incomplete";
    if (hopeless || this.failures > MOST_FAILURES) throw new UploadRefused(status, body);
    if (status === 409 || status === 460) return;
    const after = (body as { retry_after?: number } | null)?.retry_after;
    await this.port.pause(after === undefined ? this.nextPause() : after * 1000);
  }

  private async wait(): Promise<void> {
    this.checkCancelled();
    this.tell(this.offset, "waiting");
    await this.port.pause(this.nextPause());
  }

  private nextPause(): number {
    this.pauses += 1;
    return Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.pauses);
  }

  private tell(bytes: number, stage: UploadStage): void {
    this.progress(Math.min(1, bytes / this.source.size), stage);
  }

  private checkCancelled(): void {
    if (this.cancelled) throw new UploadCancelled();
    if (this.paused) throw new UploadPaused();
  }
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof UploadRefused ||
    error instanceof UploadCancelled ||
    error instanceof UploadPaused
  );
}

/** Null where the page is not secure or the platform has no digests; TLS guards the bytes alone then. */
async function sha256(body: ArrayBuffer): Promise<string | null> {
  const subtle = (globalThis as { crypto?: Crypto }).crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) return null;
  return base64(new Uint8Array(await subtle.digest("SHA-256", body)));
}

/** Repeats a small upload while the network is gone; `offline` tells that failure from others. */
export async function patiently<T>(
  work: () => Promise<T>,
  offline: (error: unknown) => boolean,
  waiting: () => Promise<void>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!offline(error)) throw error;
      await waiting();
    }
  }
}
