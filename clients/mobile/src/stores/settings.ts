import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { isH5 } from '@/platform'
import { storage } from '@/platform/storage'

/** What this person chose for this device. */
export const useSettings = defineStore('settings', () => {
  const elder = ref(storage.get<boolean>('elder') ?? false)
  const sound = ref(storage.get<boolean>('sound') ?? true)

  watch(
    elder,
    (on) => {
      storage.set('elder', on)
      if (isH5) document.documentElement.classList.toggle('zj-elder', on)
    },
    { immediate: true },
  )
  watch(sound, (on) => storage.set('sound', on))

  return { elder, sound }
})
