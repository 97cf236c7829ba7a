import { rooms } from '@/api'
import { tell } from '@/platform/dialog'
import { go, replace } from '@/platform/nav'
import { useConversations } from '@/stores/conversations'

let asking = false

/** Opens the person's talk with customer service, or begins one. */
export async function contactService(instead = false): Promise<void> {
  if (asking) return
  asking = true
  try {
    const { id } = await rooms.askService()
    useConversations().soon()
    const move = instead ? replace : go
    move('/pages/room/index', { room: id })
  } catch (error) {
    tell(error)
  } finally {
    asking = false
  }
}
