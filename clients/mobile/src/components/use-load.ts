import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiError, messageOf } from '@/api/problem'

export type LoadState = 'loading' | 'ready' | 'error' | 'forbidden' | 'missing' | 'offline'

export interface Load<T> {
  state: Ref<LoadState>
  data: ShallowRef<T | null>
  fault: Ref<string>
  /** Loads again; keeps showing what is there while it runs. */
  reload: () => Promise<void>
}

export function stateOf(error: unknown): LoadState {
  if (error instanceof ApiError) {
    // Who would rather not prove it now may do so later.
    if (error.code === 'second_factor_required') return 'error'
    if (error.status === 403) return 'forbidden'
    if (error.status === 404) return 'missing'
    if (error.code === 'offline') return 'offline'
  }
  return 'error'
}

/** What a page shows, from its first load on: one of the states that every page has. */
export function useLoad<T>(work: () => Promise<T>): Load<T> {
  const state = ref<LoadState>('loading')
  const data = shallowRef<T | null>(null)
  const fault = ref('')
  let latest = 0

  async function reload(): Promise<void> {
    const mine = ++latest
    if (state.value !== 'ready') state.value = 'loading'
    try {
      const found = await work()
      if (mine !== latest) return
      data.value = found
      state.value = 'ready'
    } catch (error) {
      if (mine !== latest) return
      fault.value = messageOf(error)
      // Old content is better than a fault when only the refresh failed.
      if (data.value === null || !(error instanceof ApiError) || !error.temporary) {
        state.value = stateOf(error)
      }
    }
  }

  return { state, data, fault, reload }
}
