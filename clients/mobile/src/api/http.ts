import { ApiError, problemFrom } from './problem'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type QueryValue = string | number | boolean | null | undefined

export interface Outgoing {
  method: Method
  url: string
  headers: Record<string, string>
  body: unknown
}

export interface Answer {
  status: number
  body: unknown
}

/** Carries one request; rejects with an `ApiError` coded `offline` when nothing came back. */
export type Transport = (request: Outgoing) => Promise<Answer>

/** Where the tokens live. `renew` asks the server for new ones and stores them. */
export interface TokenSource {
  access(): string | null
  /** Replaces the tokens; false means that the session is over. */
  renew(stale: string): Promise<boolean>
  expired(code: string): void
  /** Settles what the server asks for first; false when the person would rather not. */
  settle?(code: string): Promise<boolean>
}

export interface CallOptions {
  query?: Record<string, QueryValue>
  body?: unknown
  /** Key that makes a repeated POST harmless: keep one key for one intention. */
  idempotencyKey?: string
  /** Catalogue and login calls work without a token. */
  anonymous?: boolean
}

export interface Http {
  call<T>(method: Method, path: string, options?: CallOptions): Promise<T>
}

export function queryString(query: Record<string, QueryValue> | undefined): string {
  if (!query) return ''
  const parts = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`)
  return parts.length ? `?${parts.join('&')}` : ''
}

const OWED = new Set(['second_factor_required', 'password_change_required'])
const RENEWABLE = new Set(['token_expired', 'unauthenticated'])

/** Runs `work` once for all who ask while it runs. */
export function singleFlight<A extends unknown[], T>(
  work: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  let running: Promise<T> | null = null
  return (...args) => {
    running ??= work(...args).finally(() => {
      running = null
    })
    return running
  }
}

/** The HTTP client: base path, token, one renewal for all requests that met an expired token. */
export function createHttp(base: string, transport: Transport, tokens: TokenSource): Http {
  const renew = singleFlight((stale: string) => tokens.renew(stale))

  async function call<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
    const send = async (token: string | null): Promise<Answer> => {
      const headers: Record<string, string> = { Accept: 'application/json' }
      if (options.body !== undefined) headers['Content-Type'] = 'application/json'
      if (options.idempotencyKey) headers['Idempotency-Key'] = options.idempotencyKey
      if (token) headers.Authorization = `Bearer ${token}`
      return transport({
        method,
        url: base + path + queryString(options.query),
        headers,
        body: options.body,
      })
    }
    const token = tokens.access()
    let answer = await send(token)
    if (answer.status === 401 && token && !options.anonymous) {
      const problem = problemFrom(401, answer.body)
      if (!RENEWABLE.has(problem.code)) {
        tokens.expired(problem.code)
        throw problem
      }
      // Another request may have renewed it while this one was on its way.
      const current = tokens.access()
      if (current === token && !(await renew(token))) {
        tokens.expired(problem.code)
        throw problem
      }
      answer = await send(tokens.access())
    }
    if (answer.status === 403 && tokens.settle && path !== '/auth/second-factor') {
      const problem = problemFrom(403, answer.body)
      if (OWED.has(problem.code)) {
        if (!(await tokens.settle(problem.code))) throw problem
        // The same request, with the same key.
        answer = await send(tokens.access())
      }
    }
    if (answer.status >= 200 && answer.status < 300) return answer.body as T
    throw problemFrom(answer.status, answer.body)
  }

  return { call }
}

export { ApiError }
