import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { patients } from '@/api'
import type { Patient } from '@/api/types'

/** The persons that this account looks after. */
export const usePeople = defineStore('people', () => {
  const list = shallowRef<Patient[]>([])
  /** The person who was added or changed last, for the page that asked for it. */
  const latest = ref('')

  async function load(): Promise<Patient[]> {
    list.value = await patients.list()
    return list.value
  }

  return { list, latest, load }
})
