import { beforeEach, describe, expect, it } from "vitest";
import {
  ResumableUpload,
  UploadCancelled,
  UploadPaused,
  UploadRefused,
  type UploadAnswer,
  type UploadPort,
  type UploadRequest,
  type UploadSource,
  type UploadStage,
} from "../src/uploads/resumable";
import { base64, utf8 } from "../src/uploads/encoding";

const MIB = 1024 * 1024;
const FILE = { id: "f", name: "CT.pdf", kind: "file" };

/** A server that keeps what arrives, and a network that fails when it is told to. */
class Server {
  data = new Uint8Array(0);
  uploads = 0;
  patches = 0;
  deleted = false;
  length = 0;
  keys = new Map<string, string>();
  metadata = "";
  conversions = 2;
  pauses: number[] = [];
  /** Called before a request is carried out; throws for a broken network. */
  before: (request: UploadRequest) => UploadAnswer | null = () => null;
  /** Called after; throws when the answer is lost. */
  after: (request: UploadRequest) => void = () => undefined;

  readonly port: UploadPort = {
    request: (request) => Promise.resolve().then(() => this.serve(request)),
    pause: (ms) => {
      this.pauses.push(ms);
      return Promise.resolve();
    },
  };

  private async serve(request: UploadRequest): Promise<UploadAnswer> {
    const early = this.before(request);
    if (early) return early;
    const answer = await this.carryOut(request);
    this.after(request);
    return answer;
  }

  private view(more: object = {}): UploadAnswer {
    return {
      status: 200,
      body: {
        id: "u",
        offset: this.data.length,
        state: "receiving",
        percent: 0,
        file: null,
        ...more,
      },
    };
  }

  private async carryOut({ method, path, headers, body }: UploadRequest): Promise<UploadAnswer> {
    if (method === "POST" && path === "/uploads") {
      const key = headers["Idempotency-Key"] as string;
      if (!this.keys.has(key)) {
        this.keys.set(key, "u");
        this.uploads += 1;
        this.data = new Uint8Array(0);
      }
      this.length = Number(headers["Upload-Length"]);
      this.metadata = headers["Upload-Metadata"] as string;
      return this.view();
    }
    if (method === "DELETE") {
      this.deleted = true;
      return { status: 204, body: null };
    }
    if (method === "PATCH") {
      this.patches += 1;
      if (Number(headers["Upload-Offset"]) !== this.data.length)
        return { status: 409, body: { code: "upload_offset_conflict" } };
      const piece = new Uint8Array(body as ArrayBuffer);
      const digest = base64(new Uint8Array(await crypto.subtle.digest("SHA-256", piece)));
      if (headers["Upload-Checksum"] !== `sha256 ${digest}`) return { status: 460, body: null };
      const joined = new Uint8Array(this.data.length + piece.length);
      joined.set(this.data);
      joined.set(piece, this.data.length);
      this.data = joined;
      return { status: 204, body: null };
    }
    if (path.endsWith("/file") && this.data.length === this.length) {
      this.conversions -= 1;
      return this.conversions >= 0
        ? this.view({ state: "converting", percent: 50 })
        : this.view({ state: "done", file: FILE });
    }
    return this.view();
  }
}

let server: Server;
let content: Uint8Array;
let heard: [number, UploadStage][];

function sourceOf(size = 9 * MIB + 5): UploadSource {
  content = Uint8Array.from({ length: size }, (_, i) => i % 251);
  return {
    name: "CT 报告.pdf",
    size,
    read: (start, end) => Promise.resolve(content.slice(start, end).buffer as ArrayBuffer),
  };
}

function upload(size?: number) {
  return new ResumableUpload(server.port, sourceOf(size), "message");
}

const same = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
/** What a browser makes of it. */
const native = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const run = (one: ResumableUpload) => one.run((share, stage) => heard.push([share, stage]));

beforeEach(() => {
  server = new Server();
  heard = [];
});

describe("a resumable upload", () => {
  it("sends the file in pieces and waits for what the server makes of it", async () => {
    expect(await run(upload())).toEqual(FILE);
    expect(same(server.data, content)).toBe(true);
    expect(server.patches).toBe(3);
    expect(server.metadata).toBe(`purpose ${native("message")},filename ${native("CT 报告.pdf")}`);
    expect(heard.filter(([, stage]) => stage === "processing")).toEqual([
      [0.5, "processing"],
      [0.5, "processing"],
    ]);
  });

  it("goes on where it was when the network comes back, whether piece or answer was lost", async () => {
    let requests = 0;
    server.before = () => {
      requests += 1;
      if (requests % 3 === 0) throw new Error("offline");
      return null;
    };
    server.after = ({ method }) => {
      if (method === "PATCH" && server.patches === 2) throw new Error("offline");
    };
    server.keys.clear();
    expect(await run(upload())).toEqual(FILE);
    expect(same(server.data, content)).toBe(true);
    expect(server.uploads).toBe(1);
    expect(heard.some(([, stage]) => stage === "waiting")).toBe(true);
    expect(Math.max(...server.pauses)).toBeLessThanOrEqual(15_000);
  });

  it("rests when it is told to, and another page goes on with what had arrived", async () => {
    let known = "";
    const source = sourceOf();
    const first = new ResumableUpload(server.port, source, "recording", {
      id: null,
      begun: (id) => (known = id),
    });
    server.after = ({ method }) => {
      if (method === "PATCH" && server.patches === 1) first.pause();
    };
    await expect(run(first)).rejects.toBeInstanceOf(UploadPaused);
    expect([server.deleted, server.patches]).toEqual([false, 1]);
    server.after = () => undefined;
    expect(await run(new ResumableUpload(server.port, source, "recording", { id: known }))).toEqual(
      FILE,
    );
    expect(same(server.data, content)).toBe(true);
    expect([server.uploads, server.patches]).toEqual([1, 3]);
  });

  it("begins one upload although the first answer was lost", async () => {
    let lost = false;
    server.after = ({ path }) => {
      if (path === "/uploads" && !lost) {
        lost = true;
        throw new Error("offline");
      }
    };
    await run(upload());
    expect([lost, server.uploads]).toEqual([true, 1]);
  });

  it("waits as long as a busy server asks, and sends a damaged piece again", async () => {
    const answers = [
      { status: 429, body: { retry_after: 7 } },
      { status: 460, body: null },
    ];
    server.before = ({ method }) => (method === "PATCH" ? (answers.shift() ?? null) : null);
    await run(upload());
    expect(server.pauses).toContain(7000);
    expect(same(server.data, content)).toBe(true);
  });

  it("fails with the server's refusal and can be tried again without what is there already", async () => {
    const one = upload();
    let full = true;
    server.before = ({ path }) =>
      full && path.endsWith("/file")
        ? { status: 422, body: { code: "file_content_mismatch" } }
        : null;
    await expect(run(one)).rejects.toThrow(UploadRefused);
    const before = server.patches;
    full = false;
    expect(await run(one)).toEqual(FILE);
    expect(server.patches).toBe(before);
  });

  it("does not wait for a network when the application says that asking is no use", async () => {
    server.before = ({ method }) => {
      if (method === "PATCH") throw new UploadRefused(401, { code: "unauthenticated" });
      return null;
    };
    await expect(run(upload())).rejects.toThrow("unauthenticated");
    expect(server.pauses).toEqual([]);
  });

  it("gives up on a server that fails again and again", async () => {
    server.before = ({ method }) => (method === "PATCH" ? { status: 500, body: null } : null);
    await expect(run(upload())).rejects.toThrow("500");
  });

  it("begins anew when what the server had has expired", async () => {
    let expired = false;
    server.before = ({ method }) => {
      if (method !== "PATCH" || server.patches !== 1 || expired) return null;
      expired = true;
      return { status: 404, body: { code: "not_found" } };
    };
    expect(await run(upload())).toEqual(FILE);
    expect(server.uploads).toBe(2);
    expect(same(server.data, content)).toBe(true);
  });

  it("ends at once when it is cancelled, also while the network is away", async () => {
    const one = upload();
    server.before = ({ method }) => {
      if (method === "PATCH" && server.patches === 1) {
        one.cancel();
        throw new Error("offline");
      }
      return null;
    };
    await expect(run(one)).rejects.toThrow(UploadCancelled);
    await Promise.resolve();
    expect([server.patches, server.deleted]).toEqual([1, true]);
  });
});

it("gives up what was begun although it was cancelled before the first answer", async () => {
  const one = upload();
  server.after = ({ path }) => {
    if (path === "/uploads") one.cancel();
  };
  await expect(run(one)).rejects.toThrow(UploadCancelled);
  await Promise.resolve();
  expect([server.patches, server.deleted]).toEqual([0, true]);
});

it("encodes as the platform would where there is one", () => {
  for (const text of ["", "a", "ab", "abc", "报告 1%.pdf", "😀"]) {
    expect(base64(utf8(text))).toBe(native(text));
  }
});
