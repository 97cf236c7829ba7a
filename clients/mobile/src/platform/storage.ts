import { isH5 } from '.'

const PREFIX = 'zj.m.'

/** Small values that outlive the page. A full or forbidden storage only costs that survival. */
export const storage = {
  get<T>(key: string): T | null {
    try {
      const raw: unknown = isH5
        ? window.localStorage.getItem(PREFIX + key)
        : uni.getStorageSync(PREFIX + key)
      if (typeof raw !== 'string' || raw === '') return null
      return JSON.parse(raw) as T
    } catch {
      return null
    }
  },
  set(key: string, value: unknown): void {
    try {
      const raw = JSON.stringify(value)
      if (isH5) window.localStorage.setItem(PREFIX + key, raw)
      else uni.setStorageSync(PREFIX + key, raw)
    } catch {
      // The value still lives in memory.
    }
  },
  remove(key: string): void {
    try {
      if (isH5) window.localStorage.removeItem(PREFIX + key)
      else uni.removeStorageSync(PREFIX + key)
    } catch {
      // Nothing to remove.
    }
  },
  /** Tells when another tab of the same browser changed a value. */
  watch(key: string, changed: () => void): void {
    if (!isH5) return
    window.addEventListener('storage', (event) => {
      if (event.key === PREFIX + key) changed()
    })
  },
}
