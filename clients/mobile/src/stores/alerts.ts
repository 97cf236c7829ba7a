import { defineStore } from 'pinia'
import { watch } from 'vue'
import { Bursts, type InboxItem, type Message, type RoomClient } from '@realtime'
import { consultations } from '@/api'
import type { Consultation } from '@/api/types'
import { chime } from '@/native/chime'
import { toast } from '@/platform/dialog'
import { here } from '@/platform/nav'
import { zh } from '@/strings'
import { useConversations } from './conversations'
import { useLive } from './live'
import { useSession } from './session'
import { useSettings } from './settings'

/** Clinicians see and hear what comes in on whatever page they are; the sound is a setting. */
export const useAlerts = defineStore('alerts', () => {
  const session = useSession()
  const settings = useSettings()
  const live = useLive()
  const conversations = useConversations()
  const bursts = new Bursts()
  let active: Consultation[] = []

  function alert(text: string): void {
    toast(text)
    if (settings.sound) chime()
  }

  /** Joined rooms deliver their words, wherever in the app one is. */
  async function join(client: Pick<RoomClient, 'join'>): Promise<void> {
    // Who was asked into a consultation has it among his conversations.
    if (!session.treats) return
    try {
      active = (await consultations.list({ state: 'active', limit: 50 })).items
    } catch {
      // The next event asks again.
      return
    }
    for (const one of active) {
      if (one.room_id) client.join(one.room_id).catch(() => undefined)
    }
  }

  function onMessage(message: Message): void {
    if (!message.sender || message.sender.user_id === session.user?.id) return
    const about = active.find((one) => one.room_id === message.room)
    const name = about?.patient.name ?? conversations.titleIn(message.room)
    // A room is open by its consultation or by itself.
    const open =
      here().includes('/room/') &&
      [about?.id, message.room].some((id) => id !== undefined && here().includes(id))
    if (!name || open || !bursts.rings(message.room, Date.now())) return
    alert(about ? zh.notices.newWords(name) : zh.talks.newWords(name))
  }

  function onItem(item: InboxItem): void {
    if (!item.read && !item.silent) alert(item.title)
  }

  function follow(): void {
    watch(
      () => live.client,
      (client) => {
        active = []
        if (!client || !session.clinician) return
        const again = (): void => void join(client)
        client.on('message', onMessage)
        client.on('inbox', onItem)
        client.on('room-state', again)
        client.on('notice', again)
        again()
      },
      { immediate: true },
    )
  }

  return { follow }
})
