import { computed, ref, shallowRef } from 'vue'
import type { Page } from '@/api/types'
import { messageOf } from '@/api/problem'
import { stateOf, type LoadState } from './use-load'

/** A list that grows page by page as the person scrolls. */
export function usePages<T>(fetch: (cursor: string | null) => Promise<Page<T> | T[]>) {
  const items = shallowRef<T[]>([])
  const state = ref<LoadState>('loading')
  const fault = ref('')
  const more = ref<'idle' | 'loading' | 'failed' | 'end'>('idle')
  let next: string | null = null
  let generation = 0

  const read = (answer: Page<T> | T[]): Page<T> =>
    Array.isArray(answer) ? { items: answer, next: null } : answer

  async function reload(keep = false): Promise<void> {
    const mine = ++generation
    if (!keep || state.value !== 'ready') state.value = 'loading'
    try {
      const page = read(await fetch(null))
      if (mine !== generation) return
      items.value = page.items
      next = page.next
      more.value = next ? 'idle' : 'end'
      state.value = 'ready'
    } catch (error) {
      if (mine !== generation) return
      fault.value = messageOf(error)
      if (!(keep && state.value === 'ready')) state.value = stateOf(error)
    }
  }

  async function loadMore(): Promise<void> {
    if (!next || more.value === 'loading' || state.value !== 'ready') return
    const mine = generation
    more.value = 'loading'
    try {
      const page = read(await fetch(next))
      if (mine !== generation) return
      items.value = [...items.value, ...page.items]
      next = page.next
      more.value = next ? 'idle' : 'end'
    } catch {
      if (mine === generation) more.value = 'failed'
    }
  }

  const empty = computed(() => state.value === 'ready' && items.value.length === 0)

  return { items, state, fault, more, empty, reload, loadMore }
}
