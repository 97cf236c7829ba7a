import { onHide, onShow, onUnload } from '@dcloudio/uni-app'
import { ref, type Ref } from 'vue'

/** The present, renewed every second while the page is in front. */
export function useClock(): Ref<number> {
  const now = ref(Date.now())
  let timer: ReturnType<typeof setInterval> | null = null
  const stop = (): void => {
    if (timer) clearInterval(timer)
    timer = null
  }
  onShow(() => {
    stop()
    now.value = Date.now()
    timer = setInterval(() => (now.value = Date.now()), 1000)
  })
  onHide(stop)
  onUnload(stop)
  return now
}
