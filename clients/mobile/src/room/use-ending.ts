import { ref } from 'vue'
import { consultations, rooms } from '@/api'
import { ask, tell, toast } from '@/platform/dialog'
import { go } from '@/platform/nav'
import { worded } from '@/logic/profession'
import { zh } from '@/strings'
import type { useOpened } from './use-opened'
import type { useRoom } from './use-room'

/** The endings that the room's bar offers: of a talk or group, and of a consultation by its patient. */
export function useEnding(chat: ReturnType<typeof useRoom>, opened: ReturnType<typeof useOpened>) {
  const ending = ref(false)

  async function endTalk(): Promise<void> {
    const words = zh.talks
    const group = opened.talk.value?.kind === 'group'
    const yes = await ask({
      title: group ? words.dissolveAsk : words.endAsk,
      text: group ? words.dissolveText : words.endText,
      confirm: group ? words.dissolve : words.end,
      danger: true,
    })
    if (!yes) return
    ending.value = true
    try {
      await rooms.end(chat.id.value)
      toast(group ? words.dissolved : words.ended)
    } catch (error) {
      tell(error)
    } finally {
      ending.value = false
      void opened.load.reload()
    }
  }

  async function endByPatient(): Promise<void> {
    const yes = await ask({
      title: zh.room.endAsk,
      text: worded(opened.load.data.value?.consultation?.kind ?? 'revisit', zh.room.endTextPatient),
      confirm: zh.room.end,
      danger: true,
    })
    if (!yes) return
    ending.value = true
    try {
      await consultations.end(opened.id.value)
      toast(zh.room.ended)
      go('/pages/rate/index', { id: opened.id.value })
    } catch (error) {
      tell(error)
    } finally {
      ending.value = false
      void opened.load.reload()
    }
  }

  return { ending, endTalk, endByPatient }
}
