import { describe, expect, it } from 'vitest'
import type { Message, RoomMember, RoomView } from '@realtime'
import type { MyRoom, Role } from '@/api/types'
import {
  found,
  kindsOf,
  lastLine,
  merged,
  sorted,
  titleOf,
  unreadOf,
  withMessage,
  withPresence,
  withRead,
  withState,
} from '@/logic/conversations'
import type { ThreadTexts } from '@/logic/thread'

const names = { colleague: '同事', service: '医院客服', untitled: '会话' }
const texts: ThreadTexts = {
  original: '',
  originalGone: '',
  recalled: (name) => `${name}撤回了一条消息`,
  recalledMine: '您撤回了一条消息',
  removed: '已清除',
}

const member = (user_id: string, name: string, role: Role = 'doctor'): RoomMember => ({
  user_id,
  name,
  role,
  avatar: null,
  state: 'joined',
  presence: 'offline',
  read_seq: 0,
  delivered_seq: 0,
})

const view = (id: string, kind: string, change: Partial<RoomView> = {}): RoomView => ({
  id,
  kind,
  state: 'active',
  close_reason: null,
  seq: 3,
  subject: { title: '内科交班', consultation_id: null },
  lead_id: null,
  members: [member('me', '周医生'), member('lin', '林医生')],
  me: { user_id: 'me', read_seq: 2, may_send: true },
  ...change,
})

const said = (room: string, seq: number, by = 'lin', change: Partial<Message> = {}): Message => ({
  room,
  seq,
  id: `${room}-${seq}`,
  kind: 'text',
  sender: { user_id: by, name: by === 'me' ? '周医生' : '林医生', role: 'doctor' },
  client_id: null,
  body: { text: `第 ${seq} 句` },
  reply_to: null,
  at: `2026-11-20T01:00:${String(seq).padStart(2, '0')}Z`,
  recalled: false,
  ...change,
})

const mine = (id: string, seq: number, unread = 0, kind = 'group'): MyRoom => ({
  room: view(id, kind, { seq }),
  last_message: said(id, seq),
  unread,
})

const ids = (list: readonly MyRoom[]) => list.map((one) => one.room.id)

describe('the order of conversations', () => {
  it('is by the last word, and rooms without a word come last as they were', () => {
    const silent = { ...mine('c', 1), last_message: null }
    const quiet = { ...mine('d', 1), last_message: null }
    expect(ids(sorted([silent, mine('a', 4), quiet, mine('b', 9)]))).toEqual(['b', 'a', 'c', 'd'])
  })

  it('changes when somebody speaks', () => {
    const before = sorted([mine('a', 9), mine('b', 4)])
    expect(ids(withMessage(before, said('b', 20)))).toEqual(['b', 'a'])
  })
})

describe('what is unread', () => {
  const start = [mine('a', 3, 1)]

  it('grows with words of others, not with own ones nor with what the house says', () => {
    const one = withMessage(start, said('a', 4))
    expect(unreadOf(one)).toBe(2)
    const two = withMessage(one, said('a', 5, 'me'))
    const three = withMessage(two, said('a', 6, 'lin', { kind: 'system', sender: null }))
    expect(unreadOf(three)).toBe(2)
    expect(three[0]?.last_message?.seq).toBe(6)
  })

  it('does not count again what joining brings, nor change the list for it', () => {
    expect(withMessage(start, said('a', 2))).toBe(start)
    expect(withMessage(start, said('a', 3))).toBe(start)
    expect(withMessage(start, said('elsewhere', 8))).toBe(start)
  })

  it('goes when the person reads, on whatever device, and never comes back by a late word of it', () => {
    const read = withRead(start, { room: 'a', read_seq: 3, unread: 0 })
    expect(unreadOf(read)).toBe(0)
    expect(withRead(read, { room: 'a', read_seq: 2, unread: 1 })).toBe(read)
  })

  it('is not counted for words below the read mark', () => {
    const ahead = withRead(start, { room: 'a', read_seq: 5, unread: 0 })
    expect(unreadOf(withMessage(ahead, said('a', 4)))).toBe(0)
  })
})

describe('a fresh look at the server', () => {
  it('shows each room once and drops those one is no longer in', () => {
    expect(ids(merged([mine('gone', 9)], [mine('a', 2), mine('b', 4), mine('a', 2)]))).toEqual([
      'b',
      'a',
    ])
  })

  it('does not take back what was heard while it was under way', () => {
    const shown = withMessage([mine('a', 3, 0)], said('a', 4))
    expect(merged(shown, [mine('a', 3, 0)])[0]?.last_message?.seq).toBe(4)
    const read = withRead([mine('a', 3, 1)], { room: 'a', read_seq: 3, unread: 0 })
    expect(unreadOf(merged(read, [mine('a', 3, 1)]))).toBe(0)
  })
})

describe('what a room is called', () => {
  it('is the other one, the desk, or its title', () => {
    expect(titleOf(view('a', 'colleague'), names)).toBe('林医生')
    expect(titleOf(view('a', 'colleague', { members: [] }), names)).toBe('同事')
    expect(titleOf(view('a', 'group'), names)).toBe('内科交班')
    const nameless = { title: '', consultation_id: null }
    expect(titleOf(view('a', 'group', { subject: nameless }), names)).toBe('林医生')
    expect(titleOf(view('a', 'service'), names)).toBe('医院客服')
    const agent = [member('me', '客服小何', 'customer_service')]
    expect(titleOf(view('a', 'service', { members: agent }), names)).toBe('内科交班')
  })

  it('is found by title or by somebody in it, all words together', () => {
    const list = [mine('a', 1, 0, 'colleague'), mine('b', 2)]
    expect(ids(found(list, ' 林 ', names))).toEqual(['a', 'b'])
    expect(ids(found([{ ...mine('b', 2) }], '交班 林', names))).toEqual(['b'])
    expect(found(list, '交班 王', names)).toEqual([])
    expect(found(list, '  ', names)).toBe(list)
  })
})

describe('the last word', () => {
  it('names who said it only where several others could have', () => {
    expect(lastLine(mine('a', 1), texts)).toBe('林医生：第 1 句')
    expect(lastLine(mine('a', 1, 0, 'colleague'), texts)).toBe('第 1 句')
    expect(lastLine({ ...mine('a', 1), last_message: said('a', 1, 'me') }, texts)).toBe('第 1 句')
  })

  it('of what was taken back says that alone', () => {
    const back = said('a', 1, 'lin', { recalled: true })
    expect(lastLine({ ...mine('a', 1), last_message: back }, texts)).toBe('林医生撤回了一条消息')
  })
})

describe('live changes', () => {
  it('show the end of a room and who came online', () => {
    const list = [mine('a', 1)]
    const closed = withState(list, { room: 'a', state: 'closed', close_reason: 'dissolved' })
    expect(closed[0]?.room.state).toBe('closed')
    const here = withPresence(list, 'lin', 'online')
    expect(here[0]?.room.members[1]?.presence).toBe('online')
    expect(withPresence(here, 'lin', 'online')).toBe(here)
  })
})

describe('the rooms in the list', () => {
  it('are talks for a doctor, also consultations for who was asked into them', () => {
    expect(kindsOf('doctor')).toBe('colleague,group,service,word')
    expect(kindsOf('nurse')).toContain('consultation')
    expect(kindsOf('patient')).toBe('service')
  })
})
