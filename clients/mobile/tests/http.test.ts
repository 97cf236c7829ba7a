import { describe, expect, it } from 'vitest'
import { createHttp, queryString, type Answer, type Outgoing, type TokenSource } from '@/api/http'
import { ApiError, messageOf, problemFrom } from '@/api/problem'

/** A server that knows one valid token. */
function house(options: { refuseRenewal?: boolean; renewalFails?: boolean } = {}) {
  const state = { valid: 'new', held: 'old' as string | null, renewals: 0, expired: '' }
  const seen: Outgoing[] = []
  const tokens: TokenSource = {
    access: () => state.held,
    renew: async () => {
      state.renewals += 1
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (options.renewalFails) throw new ApiError('offline', '网络不可用')
      if (options.refuseRenewal) return false
      state.held = state.valid
      return true
    },
    expired: (code) => {
      state.expired = code
      state.held = null
    },
  }
  const transport = async (request: Outgoing): Promise<Answer> => {
    seen.push(request)
    const good = request.headers.Authorization === `Bearer ${state.valid}`
    return good
      ? { status: 200, body: { ok: true } }
      : { status: 401, body: { code: 'token_expired', title: '登录已过期' } }
  }
  return { http: createHttp('/api/v1', transport, tokens), state, seen, tokens }
}

describe('a second factor that is owed', () => {
  it('is asked for, then the same request goes out again with its key', async () => {
    const { seen, tokens } = house()
    let proved = false
    const transport = async (request: Outgoing): Promise<Answer> => {
      seen.push(request)
      return proved
        ? { status: 201, body: { ok: true } }
        : { status: 403, body: { code: 'second_factor_required', title: '请先完成身份验证' } }
    }
    const settle = async (): Promise<boolean> => (proved = true)
    const http = createHttp('/api/v1', transport, { ...tokens, settle })
    await http.call('POST', '/sign', { body: {}, idempotencyKey: 'k1' })
    expect(seen.map((one) => one.headers['Idempotency-Key'])).toEqual(['k1', 'k1'])
  })
})

describe('an expired token', () => {
  it('is renewed once for all requests that met it, and each is sent again', async () => {
    const { http, state, seen } = house()
    const answers = await Promise.all([
      http.call('GET', '/a'),
      http.call('GET', '/b'),
      http.call('GET', '/c'),
    ])
    expect(answers).toEqual([{ ok: true }, { ok: true }, { ok: true }])
    expect(state.renewals).toBe(1)
    expect(seen).toHaveLength(6)
  })

  it('ends the session when the server refuses the renewal', async () => {
    const { http, state } = house({ refuseRenewal: true })
    await expect(http.call('GET', '/a')).rejects.toMatchObject({ code: 'token_expired' })
    expect(state.expired).toBe('token_expired')
  })

  it('does not end the session when the network fails during the renewal', async () => {
    const { http, state } = house({ renewalFails: true })
    await expect(http.call('GET', '/a')).rejects.toMatchObject({ code: 'offline' })
    expect(state.expired).toBe('')
    expect(state.held).toBe('old')
  })

  it('is not renewed for calls that need no login', async () => {
    const { http, state } = house()
    await expect(http.call('GET', '/home', { anonymous: true })).rejects.toBeInstanceOf(ApiError)
    expect(state.renewals).toBe(0)
  })
})

describe('a request', () => {
  it('carries its idempotency key again after a renewal', async () => {
    const { http, seen } = house()
    await http.call('POST', '/orders', { body: {}, idempotencyKey: 'k1' })
    expect(seen.map((one) => one.headers['Idempotency-Key'])).toEqual(['k1', 'k1'])
  })

  it('leaves empty filters out of the address', () => {
    expect(queryString({ a: '', b: undefined, c: null, d: 0, e: '心 内' })).toBe(
      '?d=0&e=%E5%BF%83%20%E5%86%85',
    )
  })
})

describe('an error answer', () => {
  it('gives the fault of the field before the title', () => {
    const error = problemFrom(422, {
      title: '提交的内容有误',
      code: 'id_number_invalid',
      fields: [{ field: 'id_number', message: '身份证号校验位不正确' }],
    })
    expect(error.message).toBe('身份证号校验位不正确')
    expect(error.fields).toEqual({ id_number: '身份证号校验位不正确' })
  })

  it.each([null, '<html>', [], { fields: 'x' }])(
    'without a readable body has a text: %s',
    (body) => {
      expect(problemFrom(503, body).message).toBe('服务暂时不可用，请稍后再试')
    },
  )

  it('of our own making never shows English', () => {
    expect(messageOf(new TypeError('x is undefined'))).toBe('出错了，请稍后再试')
  })
})
