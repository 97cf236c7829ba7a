import type { RoomView } from '@realtime'
import { computed, ref } from 'vue'
import { consultations, rooms } from '@/api'
import { ApiError } from '@/api/problem'
import type { Consultation } from '@/api/types'
import { useLoad } from '@/components/use-load'
import { clinicianPage, patientPage } from '@/logic/routes'
import { replace } from '@/platform/nav'
import { useSession } from '@/stores/session'
import type { useRoom } from './use-room'

interface Opened {
  consultation: Consultation | null
  room: RoomView | null
}

/** What the page was opened for: a consultation, or a room that is none for this person. */
export function useOpened(chat: ReturnType<typeof useRoom>) {
  const session = useSession()
  /** The consultation; empty in a room of colleagues, with customer service or a supervisor. */
  const id = ref('')
  /** The room, when the address names that. */
  const roomId = ref('')
  let unreadable = false

  /**
   * The consultation of a room, when this person may read it. Customer service may not: for them it
   * is a room like any other.
   */
  async function readable(consultation: string | null): Promise<string> {
    if (!consultation || unreadable) return ''
    try {
      await consultations.get(consultation)
      return consultation
    } catch (error) {
      const refused = error instanceof ApiError && (error.status === 403 || error.status === 404)
      if (!refused) throw error
      unreadable = true
      return ''
    }
  }

  const load = useLoad(async (): Promise<Opened> => {
    if (!id.value) {
      const room = await rooms.get(roomId.value)
      id.value = await readable(room.subject.consultation_id)
      if (!id.value) {
        if (chat.id.value !== room.id) chat.open(room.id)
        return { consultation: null, room }
      }
    }
    const found = await consultations.get(id.value)
    const opened = { consultation: found, room: null }
    const early = found.state !== 'active' && !found.accepted_at
    // Who was asked in by the doctor stays: those pages are the patient's and the doctor's.
    if (!found.room_id || (early && (session.treats || session.role === 'patient'))) {
      const { path, query } = session.clinician ? clinicianPage(found) : patientPage(found)
      replace(path, query)
      return opened
    }
    if (chat.id.value !== found.room_id) chat.open(found.room_id)
    return opened
  })

  const data = computed(() => load.data.value?.consultation ?? null)
  /** The room when it is no consultation. */
  const talk = computed(() => {
    const room = load.data.value?.room ?? null
    return room && (chat.view.value ?? room)
  })
  return { id, roomId, load, data, talk }
}
