import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import type { Message } from '@realtime'
import { rooms } from '@/api'
import { messageOf } from '@/api/problem'
import type { MyRoom, Page } from '@/api/types'
import { stateOf, type LoadState } from '@/components/use-load'
import {
  kindsOf,
  merged,
  otherOf,
  titleOf,
  unreadOf,
  withMessage,
  withPresence,
  withRead,
  withState,
} from '@/logic/conversations'
import { zh } from '@/strings'
import { useInbox } from './inbox'
import { useLive } from './live'
import { useSession } from './session'

const PAGE = 50
/** A whole list for a search is fetched up to this many pages. */
const MOST_PAGES = 10

/** The rooms of the person that are not found elsewhere, as they change. */
export const useConversations = defineStore('conversations', () => {
  const session = useSession()
  const live = useLive()
  const inbox = useInbox()
  const list = shallowRef<readonly MyRoom[]>([])
  const state = ref<LoadState>('loading')
  const fault = ref('')
  const more = ref<'idle' | 'loading' | 'failed' | 'end'>('idle')
  let next: string | null = null
  let generation = 0
  let pages = 1
  let timer: ReturnType<typeof setTimeout> | null = null
  const joined = new Set<string>()

  const unread = computed(() => unreadOf(list.value))
  const titleIn = (room: string): string => {
    const one = list.value.find((each) => each.room.id === room)
    return one ? titleOf(one.room, zh.talks.names) : ''
  }

  const page = (cursor: string | null) =>
    rooms.mine({ kind: kindsOf(session.role), cursor, limit: PAGE })

  /** Loads from the top; what is there stays while it runs. */
  async function reload(): Promise<void> {
    if (!session.loggedIn) return
    const mine = ++generation
    if (state.value !== 'ready') state.value = 'loading'
    try {
      const items: MyRoom[] = []
      let cursor: string | null = null
      for (let done = 0; done < pages && (done === 0 || cursor); done++) {
        const answer: Page<MyRoom> = await page(cursor)
        if (mine !== generation) return
        items.push(...answer.items)
        cursor = answer.next
      }
      show(items, cursor)
    } catch (error) {
      if (mine !== generation) return
      fault.value = messageOf(error)
      if (state.value !== 'ready') state.value = stateOf(error)
    }
  }

  function show(items: readonly MyRoom[], cursor: string | null): void {
    list.value = merged(list.value, items)
    next = cursor
    more.value = next ? 'idle' : 'end'
    state.value = 'ready'
    hear(items)
  }

  async function loadMore(): Promise<void> {
    if (!next || more.value === 'loading' || state.value !== 'ready') return
    const mine = generation
    more.value = 'loading'
    try {
      const answer = await page(next)
      if (mine !== generation) return
      pages += 1
      show([...list.value, ...answer.items], answer.next)
    } catch {
      if (mine === generation) more.value = 'failed'
    }
  }

  /** Who searches looks through all of his rooms, not only those that were scrolled to. */
  async function loadAll(): Promise<void> {
    while (state.value === 'ready' && more.value === 'idle' && pages < MOST_PAGES) {
      await loadMore()
    }
  }

  /** Only joined rooms bring their words by themselves. */
  function hear(items: readonly MyRoom[]): void {
    const client = live.client
    if (!client) return
    const open = items.filter((one) => one.room.state !== 'closed')
    for (const { room } of open) {
      if (joined.has(room.id)) continue
      joined.add(room.id)
      client.join(room.id).then(
        // What was said between the look at the list and the joining.
        (now) => now.seq > room.seq && soon(),
        () => joined.delete(room.id),
      )
    }
    const people = open
      .filter((one) => one.room.kind === 'colleague')
      .map((one) => otherOf(one.room)?.user_id ?? '')
    client.watchPresence(people.filter(Boolean)).catch(() => undefined)
  }

  /** Many events in a row cost one request. */
  function soon(): void {
    if (timer !== null) return
    timer = setTimeout(() => {
      timer = null
      void reload()
    }, 500)
  }

  function onMessage(message: Message): void {
    const now = withMessage(list.value, message)
    // What was taken back may have been counted as unread; a member may have come or gone.
    if (now !== list.value && message.kind === 'system') soon()
    list.value = now
  }

  function follow(): void {
    watch(
      () => live.client,
      (client) => {
        generation += 1
        list.value = []
        joined.clear()
        next = null
        pages = 1
        state.value = 'loading'
        if (!client) return
        client.on('message', onMessage)
        client.on('unread', (read) => (list.value = withRead(list.value, read)))
        client.on('room-state', (change) => {
          list.value = withState(list.value, change)
          soon()
        })
        // Somebody opened a room with this person, or took him out of one.
        client.on('membership', ({ room, state: now }) => {
          if (now === 'left') joined.delete(room)
          soon()
        })
        client.on('presence', ({ user, state: now }) => {
          list.value = withPresence(list.value, user, now)
        })
        client.on('online', ({ again }) => again && soon())
        soon()
      },
      { immediate: true },
    )
    // Somebody was asked into a group, or spoke where one was not listening yet.
    watch(() => inbox.changes, soon)
  }

  return { list, state, fault, more, unread, titleIn, follow, reload, loadMore, loadAll, soon }
})
