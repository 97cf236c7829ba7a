import {
  oneLine,
  type Message,
  type PresenceState,
  type RoomMember,
  type RoomState,
  type RoomView,
} from '@realtime'
import type { MyRoom, Role } from '@/api/types'
import type { ThreadTexts } from './thread'

/** Pure rules of the list of conversations: what a room is called, where it stands, what changes it. */

/** The kinds of rooms that somebody finds in his list. A doctor has the consultations in reception. */
export function kindsOf(role: Role | null): string {
  if (role === 'patient' || role === null) return 'service'
  const talks = 'colleague,group,service,word'
  return role === 'doctor' ? talks : `${talks},consultation`
}

export function otherOf(room: RoomView): RoomMember | undefined {
  return room.members.find((one) => one.user_id !== room.me.user_id && one.state === 'joined')
}

/** Who leads the room. */
export function leaderOf(room: RoomView): RoomMember | undefined {
  return room.members.find((one) => one.user_id === room.lead_id)
}

export interface RoomNames {
  colleague: string
  service: string
  untitled: string
}

/** What the person calls the room: two colleagues by the other's name, his own request by the desk. */
export function titleOf(room: RoomView, names: RoomNames): string {
  if (room.kind === 'colleague') return otherOf(room)?.name ?? names.colleague
  // The stored title names who asks: that is for the agents.
  if (room.kind === 'service' && !isAgent(room)) return names.service
  return room.subject.title || otherOf(room)?.name || names.untitled
}

function isAgent(room: RoomView): boolean {
  return room.members.some(
    (one) => one.user_id === room.me.user_id && one.role === 'customer_service',
  )
}

/** The last word in one line; in a group with who said it. */
export function lastLine(one: MyRoom, texts: ThreadTexts): string {
  const last = one.last_message
  if (!last) return ''
  const mine = last.sender?.user_id === one.room.me.user_id
  if (last.recalled) {
    return mine ? texts.recalledMine : texts.recalled(last.sender?.name ?? '')
  }
  const said = oneLine(last.kind, last.body)
  return one.room.kind === 'group' && last.sender && !mine ? `${last.sender.name}：${said}` : said
}

const spokenAt = (one: MyRoom): number =>
  one.last_message ? Date.parse(one.last_message.at) : Number.NEGATIVE_INFINITY

/** Newest word first; rooms in which nobody has said anything keep the server's order below. */
export function sorted(list: readonly MyRoom[]): MyRoom[] {
  return [...list].sort((a, b) => {
    const [one, two] = [spokenAt(a), spokenAt(b)]
    return one === two ? 0 : two - one
  })
}

/**
 * What was fetched, each room once. While it was under way somebody may have spoken or read on: then
 * what is shown already is newer and stays.
 */
export function merged(shown: readonly MyRoom[], fetched: readonly MyRoom[]): MyRoom[] {
  const before = new Map(shown.map((one) => [one.room.id, one]))
  const rooms = new Map<string, MyRoom>()
  for (const now of fetched) {
    const was = before.get(now.room.id)
    const newer =
      was && (was.room.seq > now.room.seq || was.room.me.read_seq > now.room.me.read_seq)
    rooms.set(now.room.id, newer ? was : now)
  }
  return sorted([...rooms.values()])
}

function changed(
  list: readonly MyRoom[],
  room: string,
  change: (one: MyRoom) => MyRoom,
): readonly MyRoom[] {
  const at = list.findIndex((one) => one.room.id === room)
  const was = list[at]
  if (!was) return list
  const now = change(was)
  return now === was ? list : list.map((one, index) => (index === at ? now : one))
}

/** A message that came: it becomes the last word, and counts when somebody else said it. */
export function withMessage(list: readonly MyRoom[], message: Message): readonly MyRoom[] {
  const next = changed(list, message.room, (one) => {
    // Joining a room brings words that the list counted already.
    if (message.seq <= one.room.seq) return one
    const counts =
      message.kind !== 'system' &&
      message.sender !== null &&
      message.sender.user_id !== one.room.me.user_id &&
      message.seq > one.room.me.read_seq
    return {
      room: { ...one.room, seq: message.seq },
      last_message: message,
      unread: one.unread + (counts ? 1 : 0),
    }
  })
  return next === list ? list : sorted(next)
}

/** The person has read on, here or on another device. */
export function withRead(
  list: readonly MyRoom[],
  read: { room: string; read_seq: number; unread: number },
): readonly MyRoom[] {
  return changed(list, read.room, (one) => {
    if (read.read_seq < one.room.me.read_seq) return one
    return {
      ...one,
      unread: read.unread,
      room: { ...one.room, me: { ...one.room.me, read_seq: read.read_seq } },
    }
  })
}

export function withState(
  list: readonly MyRoom[],
  change: { room: string; state: RoomState; close_reason: string | null },
): readonly MyRoom[] {
  return changed(list, change.room, (one) => ({
    ...one,
    room: { ...one.room, state: change.state, close_reason: change.close_reason },
  }))
}

export function withPresence(
  list: readonly MyRoom[],
  user: string,
  presence: PresenceState,
): readonly MyRoom[] {
  const touched = (one: MyRoom): boolean =>
    one.room.members.some((member) => member.user_id === user && member.presence !== presence)
  if (!list.some(touched)) return list
  return list.map((one) => {
    if (!touched(one)) return one
    const members = one.room.members.map((member) =>
      member.user_id === user ? { ...member, presence } : member,
    )
    return { ...one, room: { ...one.room, members } }
  })
}

/** Rooms whose title, or the name of somebody in them, holds all the words. */
export function found(list: readonly MyRoom[], q: string, names: RoomNames): readonly MyRoom[] {
  const words = q.trim().toLowerCase().split(/\s+/).filter(Boolean)
  if (!words.length) return list
  return list.filter(({ room }) => {
    const people = room.members.filter((one) => one.state === 'joined').map((one) => one.name)
    const text = [titleOf(room, names), room.subject.title, ...people].join('\n').toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

export function unreadOf(list: readonly MyRoom[]): number {
  return list.reduce((sum, one) => sum + one.unread, 0)
}
