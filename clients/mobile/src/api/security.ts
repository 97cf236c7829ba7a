import type { Device } from '@/platform/device'
import { http } from './client'
import type { Tokens } from './types'

export type FactorMethod = 'totp' | 'sms' | 'password' | 'recovery' | 'enrol_totp'

export interface SecondFactor {
  /** Nothing else is open until a factor was proved. */
  pending: boolean
  proved_at: string | null
  /** The best first. */
  methods: FactorMethod[]
  phone_masked: string | null
  totp_since: string | null
  recovery_codes_left: number
}

export interface Enrolment {
  manual_key: string
  uri: string
  /** A drawing of `uri`. */
  qr_svg: string
}

const FACTOR = '/auth/second-factor'

export const security = {
  factor: () => http.call<SecondFactor>('GET', FACTOR),
  prove: (method: FactorMethod, code: string) =>
    http.call<SecondFactor>('POST', FACTOR, { body: { method, code } }),
  sendCode: () => http.call<{ retry_after: number }>('POST', `${FACTOR}/sms-codes`),
  beginTotp: () => http.call<Enrolment>('POST', `${FACTOR}/totp`),
  confirmTotp: (code: string) =>
    http.call<{ recovery_codes: string[] }>('POST', `${FACTOR}/totp/confirm`, { body: { code } }),
  removeTotp: () => http.call<void>('DELETE', `${FACTOR}/totp`),
  renewRecoveryCodes: () =>
    http.call<{ recovery_codes: string[] }>('POST', `${FACTOR}/recovery-codes`),
}

export interface WechatLogin {
  /** The login, when the WeChat account is known here. */
  tokens: Tokens | null
  /** Otherwise a ticket that binds it with a telephone number. */
  ticket: string | null
}

export interface LoginMethods {
  /** Authorisation in the browser (official account). */
  wechat_web: boolean
  /** Inside the WeChat mini-program. */
  wechat_mini: boolean
}

const anonymous = true

export const wechat = {
  methods: () => http.call<LoginMethods>('GET', '/auth/methods', { anonymous }),
  start: (device: Device) =>
    http.call<{ url: string }>('POST', '/auth/login/wechat/start', { body: { device }, anonymous }),
  login: (code: string, state: string, device: Device) =>
    http.call<WechatLogin>('POST', '/auth/login/wechat', {
      body: { code, state, device },
      anonymous,
    }),
  /** Inside the mini-program; `phone_code` comes from the button that shares the number. */
  mini: (code: string, phone_code: string | null, device: Device) =>
    http.call<WechatLogin>('POST', '/auth/login/wechat-mini', {
      body: { code, phone_code, device },
      anonymous,
    }),
  withPhone: (ticket: string, phone: string, code: string, device: Device) =>
    http.call<Tokens>('POST', '/auth/login/wechat/phone', {
      body: { ticket, phone, code, device },
      anonymous,
    }),
  show: () => http.call<{ available: boolean; bound_at: string | null }>('GET', '/me/wechat'),
  startBinding: () => http.call<{ url: string }>('POST', '/me/wechat/start'),
  bind: (body: { code?: string; state?: string; mini_code?: string }) =>
    http.call<void>('POST', '/me/wechat', { body }),
  unbind: () => http.call<void>('DELETE', '/me/wechat'),
}
