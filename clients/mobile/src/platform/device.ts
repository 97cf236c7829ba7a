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
