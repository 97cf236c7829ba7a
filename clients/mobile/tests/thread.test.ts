import type { Message, Outgoing } from '@realtime'
import { describe, expect, it } from 'vitest'
import { bars, recallable, threadRows, type ThreadInput, type ThreadTexts } from '@/logic/thread'

const texts: ThreadTexts = {
  original: '原消息',
  originalGone: '原消息已撤回',
  recalled: (name) => `${name}撤回了一条消息`,
  recalledMine: '您撤回了一条消息',
  removed: '已清除',
}

const message = (seq: number, part: Partial<Message> = {}): Message => ({
  room: 'r',
  seq,
  id: `m${seq}`,
  kind: 'text',
  sender: { user_id: 'doctor', name: '陈安和', role: 'doctor' },
  client_id: `k${seq}`,
  body: { text: `第${seq}条` },
  reply_to: null,
  at: `2026-11-21T08:00:${String(seq).padStart(2, '0')}Z`,
  recalled: false,
  ...part,
})
const mine = { user_id: 'me', name: '林小满', role: 'patient' } as const

const outgoing = (clientId: string, part: Partial<Outgoing> = {}): Outgoing => ({
  client_id: clientId,
  room: 'r',
  kind: 'text',
  body: { text: '在路上' },
  reply_to: null,
  at: '2026-11-21T08:01:00Z',
  state: 'sending',
  progress: 1,
  stage: 'uploading',
  error: null,
  local: null,
  ...part,
})

const rowsOf = (part: Partial<ThreadInput>) =>
  threadRows({
    messages: [],
    outgoing: [],
    view: null,
    me: 'me',
    now: new Date('2026-11-21T08:02:00Z'),
    readBy: 0,
    deliveredTo: 0,
    texts,
    ...part,
  })
const shown = (part: Partial<ThreadInput>) => rowsOf(part).filter((row) => row.type !== 'time')

describe('the rows of a conversation', () => {
  it('put what is under way behind what has arrived', () => {
    const rows = shown({ messages: [message(1), message(2)], outgoing: [outgoing('a')] })
    expect(rows.map((row) => row.key)).toEqual(['m-1', 'm-2', 'a'])
  })

  it('keep the key of my message when its echo arrives, and never show it twice', () => {
    const echo = message(3, { sender: mine, client_id: 'a' })
    const before = shown({ outgoing: [outgoing('a')] })
    const both = shown({ messages: [echo], outgoing: [outgoing('a')] })
    expect(before.map((row) => row.key)).toEqual(['a'])
    expect(both.map((row) => row.key)).toEqual(['a'])
    expect(both[0]?.seq).toBe(3)
  })

  it('say how far my messages have come', () => {
    const messages = [1, 2, 3].map((seq) => message(seq, { sender: mine }))
    const rows = shown({ messages, readBy: 1, deliveredTo: 2 })
    expect(rows.map((row) => row.progress)).toEqual(['read', 'delivered', 'sent'])
  })

  it('replace a recalled message by a line and leave the recall itself out', () => {
    const rows = shown({
      messages: [
        message(1, { recalled: true, body: {} }),
        message(2, {
          kind: 'system',
          sender: null,
          body: { event: 'recalled', text: '撤回', seq: 1 },
        }),
      ],
    })
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ type: 'system', text: '陈安和撤回了一条消息' })
  })

  it('quote what a reply answers, also when it is gone or not loaded', () => {
    const messages = [
      message(5, { recalled: true, body: {} }),
      message(6, { kind: 'image', body: { file: { id: 'f' } as never } }),
      message(7, { reply_to: 5 }),
      message(8, { reply_to: 6 }),
      message(9, { reply_to: 1 }),
    ]
    expect(
      shown({ messages })
        .slice(2)
        .map((row) => row.reply?.text),
    ).toEqual(['原消息已撤回', '[图片]', '原消息'])
  })

  it('show the time again after a pause of five minutes', () => {
    const rows = rowsOf({
      messages: [
        message(1, { at: '2026-11-21T07:00:00Z' }),
        message(2, { at: '2026-11-21T07:04:00Z' }),
        message(3, { at: '2026-11-21T07:30:00Z' }),
      ],
    })
    expect(rows.map((row) => row.type)).toEqual(['time', 'message', 'message', 'time', 'message'])
  })

  it('carry the reason of a failed message', () => {
    const entry = outgoing('a', { state: 'failed', error: { code: 'x', message: '文件太大' } })
    expect(shown({ outgoing: [entry] })[0]).toMatchObject({ progress: 'failed', fault: '文件太大' })
  })
})

describe('recalling', () => {
  it('is offered to the sender for two minutes', () => {
    const [row] = shown({ messages: [message(1, { sender: mine })] })
    const at = Date.parse('2026-11-21T08:00:01Z')
    expect(recallable(row!, at + 119_000)).toBe(true)
    expect(recallable(row!, at + 120_000)).toBe(false)
    const [other] = shown({ messages: [message(1)] })
    expect(recallable(other!, at)).toBe(false)
  })
})

describe('the bars of a voice message', () => {
  it('keep the peaks when there are more values than bars', () => {
    expect(bars([0, 90, 0, 0, 0, 50], 3)).toEqual([90, 6, 50])
  })

  it('are flat without a waveform', () => {
    expect(new Set(bars(null, 8)).size).toBe(1)
  })
})
