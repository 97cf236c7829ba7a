/** A refusal by the server (RFC 9457), or a request that never got an answer (`offline`). */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    title: string,
    readonly detail: string | null = null,
    readonly fields: { field: string; message: string }[] = [],
    readonly retryAfter: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(title);
    this.name = "Problem";
  }

  get offline(): boolean {
    return this.code === "offline";
  }

  /** One line for a toast. */
  get text(): string {
    const field = this.fields[0]?.message;
    return field ?? (this.detail && this.detail !== this.message ? this.detail : this.message);
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const named = error as { code?: unknown; message?: unknown } | null;
  const code = typeof named?.code === "string" ? named.code : "failed";
  const text = typeof named?.message === "string" ? named.message : "操作没有成功，请重试";
  return new Problem(code, 0, text);
}

export async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's own error page.
  }
  const text = (key: string) => (typeof body[key] === "string" ? (body[key] as string) : null);
  return new Problem(
    text("code") ?? `http_${response.status}`,
    response.status,
    text("title") ?? (response.status >= 500 ? "服务器暂时不可用，请稍后重试" : "操作没有成功"),
    text("detail"),
    Array.isArray(body["fields"]) ? (body["fields"] as Problem["fields"]) : [],
    typeof body["retry_after"] === "number" ? body["retry_after"] : null,
    text("request_id"),
  );
}
