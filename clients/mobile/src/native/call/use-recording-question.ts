import { computed, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { consultations, newIntention } from '@/api'
import { consents } from '@/api/rights'
import type { ConsultationNotice } from '@/api/types'
import { tell } from '@/platform/dialog'
import { useCall } from '@/stores/call'
import { useSession } from '@/stores/session'

export interface RecordingQuestion {
  /** The ring waits for the patient's word. */
  open: ComputedRef<boolean>
  /** It is this person who is asked. */
  mine: ComputedRef<boolean>
  notice: ShallowRef<ConsultationNotice | null>
  busy: Ref<boolean>
  load: () => Promise<void>
  /** Whether the answer was kept. */
  answer: (agreed: boolean) => Promise<boolean>
}

/** Whether the call that rings may be recorded: the text in force, and the patient's answer to exactly that. */
export function useRecordingQuestion(): RecordingQuestion {
  const call = useCall()
  const session = useSession()
  const open = computed(() => call.call?.asks_recording === true)
  const mine = computed(() => open.value && session.role === 'patient')
  const notice = shallowRef<ConsultationNotice | null>(null)
  const busy = ref(false)

  async function load(): Promise<void> {
    try {
      notice.value = await consultations.notice()
    } catch (error) {
      tell(error)
    }
  }

  async function answer(agreed: boolean): Promise<boolean> {
    const room = call.call?.room
    const version = notice.value?.recording_version
    if (!room || !version || busy.value) return false
    busy.value = true
    try {
      await consents.answerRecording(room, { version, agreed }, newIntention())
      return true
    } catch (error) {
      tell(error)
      return false
    } finally {
      busy.value = false
    }
  }

  watch(
    mine,
    (asked) => {
      if (asked) void load()
    },
    { immediate: true },
  )
  return { open, mine, notice, busy, load, answer }
}
