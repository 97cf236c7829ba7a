import type { RoomView } from '@realtime'
import type { Kind } from '@/api/types'
import { leaderOf, otherOf } from '@/logic/conversations'
import { calledBy, worded } from '@/logic/profession'
import { zh } from '@/strings'

export interface Standing {
  /** The room when it is no consultation. */
  talk: RoomView | null
  view: RoomView | null
  closed: boolean
  /** Asked in by the treating doctor. */
  guest: boolean
  clinician: boolean
  /** What sort of consultation it is, once that is known. */
  kind: Kind | null
  /** How many are in the room. */
  present: number
}

/** The line under the bar: how the room stands and what happens next. */
export function statusOf(room: Standing): string {
  const text = plainStatus(room)
  return room.kind ? worded(room.kind, text) : text
}

function plainStatus(room: Standing): string {
  if (room.talk) return talkStatus(room.talk, room.present)
  const words = zh.room.status
  if (room.closed) return words.closed
  if (room.view?.state === 'waiting') return words.waiting
  if (room.view && !room.view.me.may_send) return words.silent
  if (room.guest) return zh.talks.status.guest
  return room.clinician ? words.activeDoctor : words.activePatient
}

function talkStatus(room: RoomView, present: number): string {
  const words = zh.talks.status
  if (room.state === 'closed') return room.kind === 'group' ? words.dissolved : words.closed
  switch (room.kind) {
    case 'group':
      return zh.talks.membersOf(present)
    case 'word':
      return words.word
    case 'consultation':
      return calledBy(leaderOf(room)?.role ?? 'doctor', words.guest)
    case 'service':
      if (room.state === 'waiting') return words.serviceWaiting
      return room.lead_id === room.me.user_id ? words.serviceAgent : words.service
    default: {
      const one = otherOf(room)
      return one ? `${zh.roles[one.role]} · ${zh.members.presence[one.presence]}` : ''
    }
  }
}
