import { devicePlatform, isH5, type DevicePlatform } from '.'
import { randomUuid } from './ids'
import { storage } from './storage'

export interface Device {
  id: string
  name: string
  platform: DevicePlatform
}

function deviceName(): string {
  if (isH5) {
    const agent = navigator.userAgent
    const system = /iPhone|iPad/.test(agent)
      ? 'iPhone'
      : /Android/.test(agent)
        ? '安卓手机'
        : /Windows/.test(agent)
          ? 'Windows 电脑'
          : /Mac OS/.test(agent)
            ? 'Mac 电脑'
            : '电脑'
    return `${system} 浏览器`
  }
  const info = uni.getSystemInfoSync()
  return info.deviceModel || info.model || '手机'
}

/** This installation of the app: the identifier stays until the storage is cleared. */
export function thisDevice(): Device {
  let id = storage.get<string>('device')
  if (!id) {
    id = randomUuid()
    storage.set('device', id)
  }
  return { id, name: deviceName(), platform: devicePlatform() }
}

/**
 * This page: several tabs of one browser share the installation, but a call lives in one of them,
 * so the socket names the tab too. It survives a reload, which is how a call is taken up again.
 */
export function thisPage(): string {
  const { id } = thisDevice()
  if (!isH5) return id
  try {
    let tab = window.sessionStorage.getItem('zj.m.tab')
    if (!tab) {
      tab = randomUuid().slice(0, 8)
      window.sessionStorage.setItem('zj.m.tab', tab)
    }
    return `${id}.${tab}`
  } catch {
    return id
  }
}
