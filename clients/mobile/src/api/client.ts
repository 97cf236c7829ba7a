import { isH5, serverOrigin } from '@/platform'
import { uniTransport } from '@/platform/request'
import { useSession } from '@/stores/session'
import { createHttp, type TokenSource } from './http'
import { problemFrom } from './problem'
import type { Tokens } from './types'

export const API_BASE = `${serverOrigin()}/api/v1`

/** Runs `work` alone among all tabs of the browser: two of them renewing would spoil the session. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  if (isH5 && typeof navigator !== 'undefined' && navigator.locks) {
    return navigator.locks.request('zj.m.renew', work) as Promise<T>
  }
  return work()
}

let onExpired: (code: string) => void = () => undefined

/** Names what happens when the session is over (the router goes to the login page). */
export function whenSessionEnds(action: (code: string) => void): void {
  onExpired = action
}

let settle: (code: string) => Promise<boolean> = () => Promise.resolve(false)

/** Names who asks the person for what the server wants first (a second factor, a new password). */
export function whenOwed(ask: (code: string) => Promise<boolean>): void {
  settle = ask
}

const source: TokenSource = {
  access: () => useSession().tokens?.access_token ?? null,
  renew: (stale) =>
    alone(async () => {
      const session = useSession()
      const current = session.reread()
      if (!current) return false
      if (current.access_token !== stale) return true
      const answer = await uniTransport({
        method: 'POST',
        url: `${API_BASE}/auth/refresh`,
        headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
        body: { refresh_token: current.refresh_token },
      })
      if (answer.status === 200) {
        session.take(answer.body as Tokens)
        return true
      }
      if (answer.status >= 500 || answer.status === 429)
        throw problemFrom(answer.status, answer.body)
      return false
    }),
  settle: (code) => settle(code),
  expired: (code) => {
    useSession().clear()
    onExpired(code)
  },
}

export const http = createHttp(API_BASE, uniTransport, source)

/** A token that is valid now, for the socket and for uploads; null when the session is over. */
export async function freshToken(rejected: string | null = null): Promise<string | null> {
  const token = source.access()
  if (!token || token !== rejected) return token
  if (await source.renew(token)) return source.access()
  source.expired('session_revoked')
  return null
}
