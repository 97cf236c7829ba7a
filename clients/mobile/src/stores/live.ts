import { defineStore } from 'pinia'
import { computed, markRaw, ref, shallowRef, watch } from 'vue'
import { RoomClient, socketTaskTransport, type ConnectionPhase, type SocketTask } from '@realtime'
import { freshToken } from '@/api/client'
import { inbox as inboxApi } from '@/api'
import { isH5, serverOrigin } from '@/platform'
import { thisPage } from '@/platform/device'
import { useSession } from './session'

function storagePort() {
  return {
    get: (key: string): string | null => {
      try {
        const found: unknown = isH5 ? window.localStorage.getItem(key) : uni.getStorageSync(key)
        return typeof found === 'string' && found !== '' ? found : null
      } catch {
        return null
      }
    },
    set: (key: string, value: string): void => {
      try {
        if (isH5) window.localStorage.setItem(key, value)
        else uni.setStorageSync(key, value)
      } catch {
        // Only the survival of unsent messages is lost.
      }
    },
    remove: (key: string): void => {
      if (isH5) window.localStorage.removeItem(key)
      else uni.removeStorageSync(key)
    },
  }
}

/** Mini-programs have no WebSocket of their own, only tasks of the platform. */
function transports(): unknown[] | undefined {
  if (isH5) return undefined
  return [
    socketTaskTransport(
      // Without `multiple` Alipay returns no task.
      (url) =>
        uni.connectSocket({
          url,
          multiple: true,
          complete: () => undefined,
        }) as unknown as SocketTask,
    ),
  ]
}

/** The living connection of the person who is logged in. */
export const useLive = defineStore('live', () => {
  const session = useSession()
  const phase = ref<ConnectionPhase>('idle')
  const client = shallowRef<RoomClient | null>(null)
  let owner = ''
  let refusals = 0

  function open(userId: string): void {
    const made = new RoomClient({
      url: serverOrigin(),
      device: thisPage(),
      token: () => session.tokens?.access_token ?? '',
      refresh: async () => {
        const token = await freshToken(session.tokens?.access_token ?? null)
        if (!token) throw { code: 'session_revoked' }
        return token
      },
      storage: storagePort(),
      storageKey: `zj.m.outgoing.${userId}`,
      fetchInbox: (after) => inboxApi.list(after),
      ...(isH5 ? {} : { transports: transports() }),
    })
    made.on('state', (state) => {
      phase.value = state.phase
      if (state.phase === 'refused') void recover()
    })
    client.value = markRaw(made)
    made.connect()
  }

  /** The server refused this login: one renewal decides whether the session is really over. */
  async function recover(): Promise<void> {
    const user = session.tokens?.user.id
    const token = await freshToken(session.tokens?.access_token ?? null).catch(() => null)
    if (!token || !user || refusals++ > 2) return
    close()
    open(user)
  }

  function close(): void {
    client.value?.disconnect()
    client.value = null
    phase.value = 'idle'
  }

  /** Keeps the connection in step with who is logged in, in which role. */
  function follow(): void {
    watch(
      () =>
        // Sockets refuse who still owes something.
        session.tokens && (session.tokens.owes ?? []).length === 0
          ? `${session.tokens.user.id}/${session.tokens.session_id}/${session.tokens.role}`
          : '',
      (now) => {
        if (now === owner) return
        owner = now
        close()
        if (now && session.tokens) open(session.tokens.user.id)
      },
      { immediate: true },
    )
    watch(
      () => session.tokens?.access_token,
      (token) => {
        if (token && phase.value === 'online')
          void client.value?.renew(token).catch(() => undefined)
      },
    )
    if (isH5) {
      window.addEventListener('online', () => client.value?.wake())
      document.addEventListener('visibilitychange', () => {
        if (document.visibilityState === 'visible') client.value?.wake()
      })
    } else {
      uni.onAppShow(() => client.value?.wake())
    }
  }

  const online = computed(() => phase.value === 'online')
  return { phase, online, client, follow }
})
