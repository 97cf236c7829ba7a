import { onHide, onLoad, onShow, onUnload } from '@dcloudio/uni-app'
import { ref, watch, type Ref } from 'vue'
import { consultations } from '@/api'
import type { Consultation, ConsultationState } from '@/api/types'
import { useLoad, type Load } from '@/components/use-load'
import { yuan } from '@/logic/format'
import { patientPage } from '@/logic/routes'
import { ask, tell, toast } from '@/platform/dialog'
import { param, replace } from '@/platform/nav'
import { useInbox } from '@/stores/inbox'
import { worded } from '@/logic/profession'
import { zh } from '@/strings'

/** Asked this often besides the live events, so that a lost event never leaves anybody waiting. */
const EVERY_MS = 15_000

export interface Awaited<T> extends Load<T> {
  /** The consultation that the page was opened for. */
  id: Ref<string>
  /** Which of the page's actions runs; empty: none. */
  busy: Ref<string>
  /** Asks in the words of the page, and cancels. */
  cancel: (one: Consultation, words: { cancelAsk: string; cancel: string }) => Promise<void>
}

/**
 * A consultation that its patient waits for: kept fresh while the page is in front, and left for
 * where it goes on as soon as it is no longer in `state`.
 */
export function useAwaited<T>(
  state: ConsultationState,
  shown: (found: Consultation) => T | Promise<T>,
): Awaited<T> {
  const inbox = useInbox()
  const id = ref('')
  const busy = ref('')
  let timer: ReturnType<typeof setInterval> | null = null

  const load: Load<T> = useLoad<T>(async () => {
    const found = await consultations.get(id.value)
    if (found.state === state) return await shown(found)
    if (found.state === 'active') toast(worded(found.kind, zh.waiting.accepted))
    const { path, query } = patientPage(found)
    replace(path, query)
    // What is shown stays until the next page is there.
    return load.data.value as T
  })

  function stop(): void {
    if (timer) clearInterval(timer)
    timer = null
  }
  onLoad((query) => (id.value = param(query, 'id')))
  onShow(() => {
    void load.reload()
    stop()
    timer = setInterval(() => void load.reload(), EVERY_MS)
  })
  onHide(stop)
  onUnload(stop)
  watch(
    () => inbox.changes,
    () => {
      if (timer) void load.reload()
    },
  )

  async function cancel(
    one: Consultation,
    words: { cancelAsk: string; cancel: string },
  ): Promise<void> {
    if (busy.value) return
    const yes = await ask({
      title: words.cancelAsk,
      text: zh.waiting.cancelText(yuan(one.price_fen)),
      confirm: words.cancel,
      cancel: zh.waiting.keep,
      danger: true,
    })
    if (!yes) return
    busy.value = 'cancel'
    try {
      await consultations.cancel(one.id)
      toast(zh.waiting.cancelled)
    } catch (error) {
      tell(error)
    } finally {
      busy.value = ''
      void load.reload()
    }
  }

  return { ...load, id, busy, cancel }
}
