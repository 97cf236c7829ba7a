/** A refusal or a failure of one request, with a text that a person can read. */
export class ApiError extends Error {
  constructor(
    /** Stable code of the contract, or `offline`, `timeout`, `bad_answer` of this client. */
    readonly code: string,
    message: string,
    readonly status: number = 0,
    readonly fields: Readonly<Record<string, string>> = {},
    readonly retryAfter: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(message)
    this.name = 'ApiError'
  }

  /** Whether the same request may succeed later without any change. */
  get temporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

/** What the wire calls problem details (RFC 9457). */
interface Problem {
  title?: string
  detail?: string
  code?: string
  fields?: { field: string; message: string }[]
  retry_after?: number
  request_id?: string
}

const BY_STATUS: Readonly<Record<number, string>> = {
  400: '提交的内容不完整',
  401: '请重新登录',
  403: '您没有权限进行这项操作',
  404: '内容不存在或已被移除',
  409: '状态已变化，请刷新后再试',
  413: '内容太大了',
  422: '提交的内容有误',
  429: '操作太频繁，请稍后再试',
  502: '服务暂时不可用，请稍后再试',
  503: '服务暂时不可用，请稍后再试',
  504: '服务暂时不可用，请稍后再试',
}

/** Reads an error answer of any shape: an unreadable body still gets a text for its status. */
export function problemFrom(status: number, body: unknown): ApiError {
  const problem: Problem =
    typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Problem) : {}
  const fields: Record<string, string> = {}
  if (Array.isArray(problem.fields)) {
    for (const one of problem.fields) {
      if (one && typeof one.field === 'string') fields[one.field] = String(one.message ?? '')
    }
  }
  const fallback = BY_STATUS[status] ?? '服务出错了，请稍后再试'
  const title = typeof problem.title === 'string' && problem.title ? problem.title : fallback
  const first = Object.values(fields).find((text) => text !== '')
  return new ApiError(
    typeof problem.code === 'string' ? problem.code : `http_${status}`,
    first ?? title,
    status,
    fields,
    typeof problem.retry_after === 'number' ? problem.retry_after : null,
    typeof problem.request_id === 'string' ? problem.request_id : null,
  )
}

/** The text to show for anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message
  return '出错了，请稍后再试'
}
