import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import type { Owed, Role, Tokens, User } from '@/api/types'
import { leads } from '@/logic/profession'
import { storage } from '@/platform/storage'

const KEY = 'session'

/** Who is logged in on this device, shared by all tabs of the browser. */
export const useSession = defineStore('session', () => {
  const tokens = ref<Tokens | null>(storage.get<Tokens>(KEY))

  const loggedIn = computed(() => tokens.value !== null)
  const role = computed<Role | null>(() => tokens.value?.role ?? null)
  const user = computed<User | null>(() => tokens.value?.user ?? null)
  const clinician = computed(() => role.value !== null && role.value !== 'patient')
  /** Who has a reception of patients. */
  const treats = computed(() => leads(role.value))
  const hospital = computed(() => tokens.value?.hospital ?? null)

  function take(next: Tokens): void {
    tokens.value = next
    storage.set(KEY, next)
  }

  function setUser(next: User): void {
    if (tokens.value) take({ ...tokens.value, user: { ...tokens.value.user, ...next } })
  }

  function settled(what: Owed): void {
    if (!tokens.value) return
    take({ ...tokens.value, owes: (tokens.value.owes ?? []).filter((one) => one !== what) })
  }

  function clear(): void {
    tokens.value = null
    storage.remove(KEY)
  }

  /** Takes over what another tab stored. */
  function reread(): Tokens | null {
    tokens.value = storage.get<Tokens>(KEY)
    return tokens.value
  }

  storage.watch(KEY, reread)

  return {
    tokens,
    loggedIn,
    role,
    user,
    clinician,
    treats,
    hospital,
    take,
    setUser,
    settled,
    clear,
    reread,
  }
})
