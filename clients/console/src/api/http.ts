import { newClientId } from "@zhenjian/realtime";
import { Problem, problemOf } from "@/api/problem";
import type { Tokens } from "@/api/types";
import { session } from "@/session";
import { isAway } from "@/security/presence";

const BASE = "/api/v1";
/** Renewed this long before it runs out, so that no request has to fail first. */
const EARLY_MS = 30_000;

type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  /** Sends an Idempotency-Key; give your own to repeat a request. */
  idempotent?: boolean | string;
  /** Without the access token. */
  open?: boolean;
  signal?: AbortSignal;
}

let onLogout: (code: string) => void = () => undefined;
let onRenewed: (token: string) => void = () => undefined;

/** Settles what the server asks for first; false when the person would rather not. */
let onOwed: (code: string) => Promise<boolean> = () => Promise.resolve(false);
const OWED = new Set(["second_factor_required", "password_change_required"]);

export function hooks(handlers: {
  logout: (code: string) => void;
  renewed: (token: string) => void;
  owed?: (code: string) => Promise<boolean>;
}): void {
  onLogout = handlers.logout;
  onRenewed = handlers.renewed;
  if (handlers.owed) onOwed = handlers.owed;
}

export function withQuery(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

async function send(method: string, path: string, options: Options, token: string | null) {
  const headers: Record<string, string> = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  // What the page asks for by itself keeps nobody logged in.
  if (isAway()) headers["X-Idle"] = "1";
  let body: BodyInit | undefined;
  if (options.body instanceof FormData) body = options.body;
  else if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  if (typeof options.idempotent === "string") headers["Idempotency-Key"] = options.idempotent;
  try {
    return await fetch(BASE + withQuery(path, options.query), {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Problem("offline", 0, "网络连接不上，请检查网络后重试");
  }
}

/** The access token, renewed first when it is about to run out. */
export async function accessToken(): Promise<string> {
  const tokens = session.reread();
  if (!tokens) throw new Problem("unauthenticated", 401, "请先登录");
  if (tokens.expires_at - Date.now() > EARLY_MS) return tokens.access_token;
  return refresh();
}

let refreshing: Promise<string> | null = null;

/** A new access token. Tabs take turns, because a refresh token works once. */
export function refresh(): Promise<string> {
  refreshing ??= exclusively(renew).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  // Locks exist on secure pages only; a plain-HTTP page is a test on one tab.
  const locks = navigator.locks as LockManager | null | undefined;
  if (!locks) return work();
  return locks.request("zhenjian.refresh", work) as Promise<T>;
}

async function renew(): Promise<string> {
  const before = session.tokens?.access_token;
  const tokens = session.reread();
  if (!tokens) throw new Problem("unauthenticated", 401, "请先登录");
  if (tokens.access_token !== before && tokens.expires_at - Date.now() > EARLY_MS) {
    return tokens.access_token;
  }
  const response = await send(
    "POST",
    "/auth/refresh",
    { body: { refresh_token: tokens.refresh_token } },
    null,
  );
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401) onLogout(problem.code);
    throw problem;
  }
  const fresh = (await response.json()) as Tokens;
  // The desk was locked meanwhile: only its owner opens it again.
  if (session.locked) throw new Problem("unauthenticated", 401, "请先登录");
  session.begin(fresh);
  onRenewed(fresh.access_token);
  return fresh.access_token;
}

async function call(method: string, path: string, given: Options): Promise<Response> {
  const options = {
    ...given,
    idempotent: given.idempotent === true ? newClientId() : given.idempotent,
  };
  const token = options.open ? null : await accessToken();
  let response = await send(method, path, options, token);
  if (response.status === 401 && !options.open) {
    const problem = await problemOf(response.clone());
    if (problem.code !== "token_expired") {
      onLogout(problem.code);
      throw problem;
    }
    response = await send(method, path, options, await refresh());
  }
  if (response.status === 403 && path !== "/auth/second-factor") {
    const problem = await problemOf(response.clone());
    if (OWED.has(problem.code)) {
      if (!(await onOwed(problem.code))) throw problem;
      // The same request, with the same key.
      response = await send(method, path, options, await accessToken());
    }
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function json<T>(method: string, path: string, options: Options): Promise<T> {
  const response = await call(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export interface RawRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: XMLHttpRequestBodyInit | null;
  /** Bytes of the body that have left, of all. */
  sent?: (loaded: number, total: number) => void;
  /** Receives what ends the request early. */
  abortable?: (abort: () => void) => void;
}

function rawOnce(asked: RawRequest, token: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const gone = () => reject(new Problem("offline", 0, "网络连接不上，请检查网络后重试"));
    asked.abortable?.(() => request.abort());
    request.open(asked.method, BASE + asked.path);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(asked.headers))
      request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) asked.sent?.(event.loaded, event.total);
    };
    request.onerror = gone;
    request.onabort = gone;
    request.onload = () => resolve({ status: request.status, body: parsed(request.responseText) });
    request.send(asked.body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's page, or nothing at all: the status says enough.
    return null;
  }
}

export const http = {
  get: <T>(path: string, query?: Query, options: Options = {}) =>
    json<T>("GET", path, { ...options, query: query ?? {} }),
  post: <T>(path: string, body?: unknown, options: Options = {}) =>
    // Every POST carries a key: where the server asks for one, a repetition on the wire counts once.
    json<T>("POST", path, { idempotent: true, ...options, body }),
  put: <T>(path: string, body?: unknown, options: Options = {}) =>
    json<T>("PUT", path, { ...options, body }),
  patch: <T>(path: string, body?: unknown) => json<T>("PATCH", path, { body }),
  delete: <T>(path: string, query?: Query) => json<T>("DELETE", path, { query: query ?? {} }),

  /** Fetches something that is not JSON. */
  async text(path: string): Promise<string> {
    return (await call("GET", path, {})).text();
  },

  /** Fetches a file with the token and hands it to the browser's download. */
  async download(path: string, query: Query, name: string): Promise<void> {
    const response = await call("GET", path, { query });
    const url = URL.createObjectURL(await response.blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  },

  /** Uploads with progress; fetch cannot report it. */
  async upload<T>(path: string, form: FormData, progress: (share: number) => void): Promise<T> {
    const answer = await http.raw({
      method: "POST",
      path,
      headers: {},
      body: form,
      sent: (loaded, total) => progress(loaded / total),
    });
    if (answer.status >= 200 && answer.status < 300) return answer.body as T;
    throw await problemOf(new Response(JSON.stringify(answer.body), { status: answer.status }));
  },

  /** One request with any answer; only a missing one rejects. An expired token is renewed once. */
  async raw(request: RawRequest): Promise<{ status: number; body: unknown }> {
    const answer = await rawOnce(request, await accessToken());
    const expired = (answer.body as { code?: string } | null)?.code === "token_expired";
    return answer.status === 401 && expired ? rawOnce(request, await refresh()) : answer;
  },
};
