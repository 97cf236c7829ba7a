/** Which build this is; the compiler folds it, so that the other platforms' code drops out. */
export const PLATFORM = process.env.UNI_PLATFORM as 'h5' | 'mp-weixin' | 'mp-alipay'
export const isH5 = PLATFORM === 'h5'

export type DevicePlatform = 'h5' | 'wechat' | 'alipay'

export function devicePlatform(): DevicePlatform {
  if (PLATFORM === 'mp-weixin') return 'wechat'
  if (PLATFORM === 'mp-alipay') return 'alipay'
  return 'h5'
}

/** Where the server is: the page's own origin on the web, a build setting in mini-programs. */
export function serverOrigin(): string {
  if (isH5) return ''
  return import.meta.env.VITE_ZHENJIAN_ORIGIN ?? ''
}

/** Absolute address of a link that the server gave as a path. */
export function absolute(url: string): string {
  if (!url.startsWith('/')) return url
  // uni-app takes a path for one of its own files and puts the router's base before it.
  return (isH5 ? window.location.origin : serverOrigin()) + url
}
