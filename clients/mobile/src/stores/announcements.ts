import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'
import { announcements as api } from '@/api'
import type { AnnouncementItem } from '@/api/types'
import { useLive } from './live'
import { useSession } from './session'

const SHOWN = 5

/** The pinned and newest announcements for the home pages, and how many wait to be read. */
export const useAnnouncements = defineStore('announcements', () => {
  const session = useSession()
  const live = useLive()
  const items = shallowRef<readonly AnnouncementItem[]>([])
  const unread = ref(0)
  /** Grows when something appeared, changed or went: lists look again. */
  const changes = ref(0)
  let generation = 0
  let timer: ReturnType<typeof setTimeout> | null = null

  async function refresh(): Promise<void> {
    const mine = ++generation
    if (!session.loggedIn) {
      items.value = []
      unread.value = 0
      return
    }
    try {
      const [page, count] = await Promise.all([api.list({ limit: SHOWN }), api.count()])
      if (mine !== generation) return
      items.value = page.items
      unread.value = count.unread
    } catch {
      // The home pages have more to show: the list of announcements says what is wrong.
    }
  }

  /** Many events in a row cost one look. */
  function soon(): void {
    if (timer !== null) return
    timer = setTimeout(() => {
      timer = null
      changes.value += 1
      void refresh()
    }, 300)
  }

  function follow(): void {
    watch(
      () => live.client,
      (client) => {
        items.value = []
        unread.value = 0
        void refresh()
        if (!client) return
        client.on('notice', ({ code }) => code === 'announcements_changed' && soon())
        client.on('online', ({ again }) => again && soon())
      },
      { immediate: true },
    )
  }

  return { items, unread, changes, refresh, soon, follow }
})
