/**
 * Where unsent messages outlive a reload. Web pages use {@link webStorage}; a mini-program passes its own,
 * for example `{get: (k) => uni.getStorageSync(k) || null, set: uni.setStorageSync, remove: uni.removeStorageSync}`.
 */
export interface StoragePort {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

export function memoryStorage(): StoragePort {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void values.set(key, value),
    remove: (key) => void values.delete(key),
  };
}

/** localStorage; a full or forbidden storage only costs the survival of unsent messages. */
export function webStorage(storage: Storage = globalThis.localStorage): StoragePort {
  const quietly = <T>(action: () => T, otherwise: T): T => {
    try {
      return action();
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => quietly(() => storage.getItem(key), null),
    set: (key, value) => quietly(() => storage.setItem(key, value), undefined),
    remove: (key) => quietly(() => storage.removeItem(key), undefined),
  };
}
