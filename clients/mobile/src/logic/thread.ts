import {
  oneLine,
  type FileRef,
  type Message,
  type MessageKind,
  type Outgoing,
  type RoomView,
  type SystemBody,
  type UploadStage,
} from '@realtime'
import { when } from './format'

/** How far a message of this person has come. */
export type Progress = 'preparing' | 'queued' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed'

/** What the page drew itself while a file is under way. */
export interface LocalPreview {
  preview: string
  name: string
  size: number
  durationMs: number
  waveform: number[]
}

export interface Row {
  /** Stable from the moment of sending on, so that nothing flickers when the echo arrives. */
  key: string
  type: 'time' | 'system' | 'message'
  text: string
  seq: number
  clientId: string
  kind: MessageKind
  mine: boolean
  senderId: string
  senderName: string
  at: string
  body: Record<string, unknown>
  file: FileRef | null
  local: LocalPreview | null
  share: number
  /** What is being done with the file while it is prepared. */
  stage: UploadStage
  recalled: boolean
  reply: { name: string; text: string } | null
  progress: Progress | null
  /** In a group: how many of the others have read it. */
  readers: { read: number; of: number } | null
  fault: string
}

export interface ThreadTexts {
  original: string
  originalGone: string
  recalled: (name: string) => string
  recalledMine: string
  removed: string
}

export interface ThreadInput {
  messages: readonly Message[]
  outgoing: readonly Outgoing[]
  view: RoomView | null
  me: string
  now: Date
  readBy: number
  deliveredTo: number
  readers?: (seq: number) => { read: number; of: number }
  texts: ThreadTexts
}

/** A pause after which the time is shown again. */
const GAP_MS = 5 * 60_000

function fileOf(kind: MessageKind, body: Record<string, unknown>): FileRef | null {
  const has = kind === 'image' || kind === 'voice' || kind === 'video' || kind === 'file'
  return has ? ((body.file as FileRef | undefined) ?? null) : null
}

function timeRow(at: string, now: Date, key: string): Row {
  return {
    key,
    type: 'time',
    text: when(at, now),
    seq: 0,
    clientId: '',
    kind: 'system',
    mine: false,
    senderId: '',
    senderName: '',
    at,
    body: {},
    file: null,
    local: null,
    share: 1,
    stage: 'uploading',
    recalled: false,
    reply: null,
    progress: null,
    readers: null,
    fault: '',
  }
}

/** The rows of a conversation, oldest first: times, what the house says, messages, what is under way. */
export function threadRows(input: ThreadInput): Row[] {
  const { messages, outgoing, me, now, texts } = input
  const bySeq = new Map(messages.map((message) => [message.seq, message]))
  const known = new Set(messages.map((message) => message.client_id).filter(Boolean))
  const rows: Row[] = []
  let last = 0

  const clock = (at: string, key: string): void => {
    const moment = Date.parse(at)
    if (moment - last > GAP_MS) rows.push(timeRow(at, now, `t-${key}`))
    last = Math.max(last, moment)
  }
  const replyOf = (seq: number | null): Row['reply'] => {
    if (seq === null) return null
    const found = bySeq.get(seq)
    if (!found) return { name: '', text: texts.original }
    if (found.recalled) return { name: found.sender?.name ?? '', text: texts.originalGone }
    return {
      name: found.sender?.name ?? '',
      text: oneLine(found.kind, found.body),
    }
  }

  for (const message of messages) {
    const body = message.body as Record<string, unknown>
    const mine = message.sender?.user_id === me
    if (message.kind === 'system') {
      // The recalled message itself says that it was recalled.
      if ((body as unknown as SystemBody).event === 'recalled') continue
      clock(message.at, String(message.seq))
      rows.push({
        ...timeRow(message.at, now, `s-${message.seq}`),
        type: 'system',
        text: String(body.text ?? ''),
        seq: message.seq,
        body,
      })
      continue
    }
    clock(message.at, String(message.seq))
    if (body.removed) {
      // Retention took the words and left the place.
      const place = timeRow(message.at, now, `m-${message.seq}`)
      rows.push({ ...place, type: 'system', text: texts.removed, seq: message.seq })
      continue
    }
    const name = message.sender?.name ?? ''
    rows.push({
      key: mine && message.client_id ? message.client_id : `m-${message.seq}`,
      type: message.recalled ? 'system' : 'message',
      text: message.recalled ? (mine ? texts.recalledMine : texts.recalled(name)) : '',
      seq: message.seq,
      clientId: message.client_id ?? '',
      kind: message.kind,
      mine,
      senderId: message.sender?.user_id ?? '',
      senderName: name,
      at: message.at,
      body,
      file: fileOf(message.kind, body),
      local: null,
      share: 1,
      stage: 'uploading',
      recalled: message.recalled,
      reply: replyOf(message.reply_to),
      progress: mine ? progressOf(message.seq, input) : null,
      readers: mine ? (input.readers?.(message.seq) ?? null) : null,
      fault: '',
    })
  }
  for (const entry of outgoing) {
    if (known.has(entry.client_id)) continue
    clock(entry.at, entry.client_id)
    const body = (entry.body ?? {}) as Record<string, unknown>
    rows.push({
      key: entry.client_id,
      type: 'message',
      text: '',
      seq: 0,
      clientId: entry.client_id,
      kind: entry.kind,
      mine: true,
      senderId: me,
      senderName: '',
      at: entry.at,
      body,
      file: fileOf(entry.kind, body),
      local: (entry.local as LocalPreview | null) ?? null,
      share: entry.progress,
      stage: entry.stage,
      recalled: false,
      reply: replyOf(entry.reply_to),
      progress: entry.state,
      readers: null,
      fault: entry.error?.message ?? '',
    })
  }
  return rows
}

function progressOf(seq: number, input: ThreadInput): Progress {
  if (seq <= input.readBy) return 'read'
  if (seq <= input.deliveredTo) return 'delivered'
  return 'sent'
}

const RECALL_MS = 2 * 60_000

/** Whether its sender may still take a message back. */
export function recallable(row: Row, now: number): boolean {
  return row.mine && row.seq > 0 && !row.recalled && now - Date.parse(row.at) < RECALL_MS
}

/** Loudness values squeezed or stretched to `count` bars, 0 to 100. */
export function bars(waveform: readonly number[] | null | undefined, count: number): number[] {
  if (!waveform?.length) return new Array<number>(count).fill(24)
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * waveform.length) / count)
    const to = Math.max(from + 1, Math.floor(((i + 1) * waveform.length) / count))
    const part = waveform.slice(from, to)
    return Math.max(6, Math.min(100, Math.max(...part)))
  })
}
