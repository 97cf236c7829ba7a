import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'
import type { InboxItem } from '@realtime'
import { consultations, inbox as api } from '@/api'
import { useLive } from './live'
import { useSession } from './session'

/** What concerns the person outside the open room, and the counts on the tabs. */
export const useInbox = defineStore('inbox', () => {
  const session = useSession()
  const live = useLive()
  const items = shallowRef<InboxItem[]>([])
  const unread = ref(0)
  /** Unread messages of the person's rooms. */
  const roomUnread = ref(0)
  /** Consultations that wait for the clinician. */
  const waiting = ref(0)
  /** Grows whenever something happened that lists should show. */
  const changes = ref(0)
  const failed = ref(false)
  const loaded = ref(false)
  let timer: ReturnType<typeof setTimeout> | null = null

  function redraw(): void {
    const inbox = live.client?.inbox
    items.value = inbox?.items ?? []
    unread.value = inbox?.unread ?? 0
  }

  /** Counts again soon; many events in a row cost one request. */
  function recount(): void {
    if (timer !== null) return
    timer = setTimeout(() => {
      timer = null
      void count()
    }, 400)
  }

  async function count(): Promise<void> {
    if (!session.loggedIn) return
    try {
      if (session.clinician) {
        // Nobody waits for the others: they are not even told how many there are.
        if (!session.treats) return
        waiting.value = (await consultations.counts()).waiting ?? 0
      } else {
        const page = await consultations.list({ state: 'active', limit: 20 })
        roomUnread.value = page.items.reduce((sum, one) => sum + (one.unread ?? 0), 0)
      }
    } catch {
      // Counts are hints: the next event asks again.
    }
  }

  async function refresh(): Promise<void> {
    try {
      await live.client?.inbox.refresh()
      failed.value = false
    } catch {
      failed.value = true
    }
    loaded.value = true
    redraw()
  }

  async function markAllRead(category: string | null = null): Promise<void> {
    await api.readAll(category)
    live.client?.inbox.mark((item) => !category || item.category === category)
    redraw()
  }

  async function markOne(id: number): Promise<void> {
    await api.readOne(id)
    live.client?.inbox.mark((item) => item.id === id)
    redraw()
  }

  function follow(): void {
    watch(
      () => live.client,
      (client) => {
        items.value = []
        unread.value = 0
        roomUnread.value = 0
        waiting.value = 0
        loaded.value = false
        if (!client) return
        client.inbox.on('change', ({ fresh }) => {
          loaded.value = true
          redraw()
          if (fresh.length) {
            changes.value += 1
            recount()
          }
        })
        client.on('message', recount)
        // Read on another device of the same person.
        client.on('unread', recount)
        const changed = (): void => {
          changes.value += 1
          recount()
        }
        client.on('room-state', changed)
        client.on('notice', changed)
        void refresh()
        recount()
      },
      { immediate: true },
    )
  }

  return {
    items,
    unread,
    roomUnread,
    waiting,
    changes,
    failed,
    loaded,
    follow,
    refresh,
    recount,
    markAllRead,
    markOne,
  }
})
