import { defineStore } from 'pinia'
import { ref } from 'vue'
import { toast } from '@/platform/dialog'
import { zh } from '@/strings'

/** Plays one voice message at a time. */
export const usePlayer = defineStore('player', () => {
  const key = ref('')
  /** 0 to 1. */
  const position = ref(0)
  let audio: UniApp.InnerAudioContext | null = null

  function stop(): void {
    audio?.stop()
    audio?.destroy()
    audio = null
    key.value = ''
    position.value = 0
  }

  async function toggle(which: string, source: () => Promise<string>): Promise<void> {
    if (key.value === which) {
      stop()
      return
    }
    stop()
    key.value = which
    const url = await source().catch(() => '')
    if (key.value !== which) return
    if (!url) {
      stop()
      toast(zh.room.voiceGone, true)
      return
    }
    const made = uni.createInnerAudioContext()
    audio = made
    made.onTimeUpdate(() => {
      if (made.duration > 0 && Number.isFinite(made.duration)) {
        position.value = made.currentTime / made.duration
      }
    })
    made.onEnded(stop)
    made.onError(() => {
      if (audio !== made) return
      stop()
      toast(zh.room.voiceGone, true)
    })
    made.src = url
    made.play()
  }

  return { key, position, toggle, stop }
})
