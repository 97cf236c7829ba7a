import { computed, onUnmounted, ref, shallowRef, watch } from 'vue'
import {
  asRealtimeError,
  type CardBody,
  type HistoryWindow,
  type LocationBody,
  type Message,
  type MessageBody,
  type Outgoing,
  type Room,
  type RoomView,
} from '@realtime'
import { messageOf } from '@/api/problem'
import { threadRows, type LocalPreview, type ThreadTexts } from '@/logic/thread'
import { toast } from '@/platform/dialog'
import { uploadOf } from '@/platform/resumable'
import type { Picked } from '@/platform/upload'
import { useLive } from '@/stores/live'
import { useSession } from '@/stores/session'
import { zh } from '@/strings'

const TYPING_MS = 4000

export const threadTexts: ThreadTexts = {
  original: zh.room.original,
  originalGone: zh.room.originalGone,
  recalled: zh.room.recalled,
  recalledMine: zh.room.recalledMine,
  removed: zh.room.removed,
}

interface Past {
  /** The message that it was opened at. */
  seq: number
  messages: readonly Message[]
  hasEarlier: boolean
  hasLater: boolean
  loading: boolean
}

/** One open room as the page draws it. */
export function useRoom() {
  const live = useLive()
  const session = useSession()
  const id = ref('')
  const room = shallowRef<Room | null>(null)
  const view = shallowRef<RoomView | null>(null)
  const messages = shallowRef<readonly Message[]>([])
  const outgoing = shallowRef<readonly Outgoing[]>([])
  const hasEarlier = ref(false)
  const loadingEarlier = ref(false)
  const fault = ref('')
  const typing = ref(false)
  const marks = ref(0)
  /** Grows when messages came at the end, to scroll down or to count. */
  const arrivals = ref({ count: 0, mine: false })
  let stops: (() => void)[] = []
  let typingTimer: ReturnType<typeof setTimeout> | null = null

  const me = computed(() => session.user?.id ?? '')
  const rows = computed(() => {
    void marks.value
    return threadRows({
      messages: messages.value,
      outgoing: outgoing.value,
      view: view.value,
      me: me.value,
      now: new Date(),
      readBy: room.value?.readBy() ?? 0,
      deliveredTo: room.value?.deliveredTo() ?? 0,
      readers,
      texts: threadTexts,
    })
  })
  const readers = (seq: number) => room.value?.readers(seq) ?? { read: 0, of: 0 }

  /** A look at an old part of the room, beside the live messages. */
  const past = shallowRef<Past | null>(null)
  let history: HistoryWindow | null = null
  const pastRows = computed(() =>
    threadRows({
      messages: past.value?.messages ?? [],
      outgoing: [],
      view: view.value,
      me: me.value,
      now: new Date(),
      readBy: room.value?.readBy() ?? 0,
      deliveredTo: room.value?.deliveredTo() ?? 0,
      readers,
      texts: threadTexts,
    }),
  )

  function showPast(seq: number): void {
    if (!history) return
    const { messages: found, hasEarlier: before, hasLater } = history
    past.value = { seq, messages: found, hasEarlier: before, hasLater, loading: false }
  }

  async function lookAt(seq: number): Promise<void> {
    try {
      history = (await room.value?.around(seq)) ?? null
      showPast(seq)
    } catch (error) {
      toast(asRealtimeError(error).message, true)
    }
  }

  async function pagePast(direction: 'earlier' | 'later'): Promise<number> {
    const now = past.value
    if (!history || !now || now.loading) return 0
    past.value = { ...now, loading: true }
    try {
      return await history[direction]()
    } catch (error) {
      toast(asRealtimeError(error).message, true)
      return 0
    } finally {
      showPast(now.seq)
    }
  }

  function toNow(): void {
    history = null
    past.value = null
  }

  function redraw(): void {
    const now = room.value
    if (!now) return
    messages.value = now.messages
    outgoing.value = now.outgoing
    view.value = now.view
    hasEarlier.value = now.hasEarlier
    marks.value += 1
  }

  function attach(): void {
    detach()
    const client = live.client
    if (!client || !id.value) return
    const found = client.room(id.value)
    room.value = found
    fault.value = ''
    stops = [
      found.on('messages', ({ added, cause }) => {
        redraw()
        if (cause === 'joined') arrivals.value = { count: 0, mine: true }
        else if (added.length) {
          const mine = added.every((one) => one.sender?.user_id === me.value)
          arrivals.value = { count: added.length, mine }
          if (!mine) typing.value = false
        }
      }),
      found.on('outgoing', (entries) => {
        const grown = entries.length > outgoing.value.length
        redraw()
        if (grown) arrivals.value = { count: 0, mine: true }
      }),
      found.on('view', redraw),
      found.on('receipt', redraw),
      found.on('typing', ({ user }) => {
        if (user === me.value) return
        typing.value = true
        if (typingTimer) clearTimeout(typingTimer)
        typingTimer = setTimeout(() => (typing.value = false), TYPING_MS)
      }),
      found.on('problem', (problem) => (fault.value = problem.message)),
    ]
    redraw()
    client.join(id.value).then(redraw, (error: unknown) => {
      const problem = asRealtimeError(error)
      if (!problem.transient) fault.value = problem.message
    })
  }

  function detach(): void {
    stops.forEach((stop) => stop())
    stops = []
  }

  function open(roomId: string): void {
    id.value = roomId
    attach()
  }

  watch(() => live.client, attach)
  onUnmounted(() => {
    detach()
    if (typingTimer) clearTimeout(typingTimer)
  })

  async function loadEarlier(): Promise<number> {
    const now = room.value
    if (!now || loadingEarlier.value || !now.hasEarlier) return 0
    loadingEarlier.value = true
    try {
      return await now.loadEarlier(30)
    } catch (error) {
      toast(asRealtimeError(error).message, true)
      return 0
    } finally {
      loadingEarlier.value = false
      hasEarlier.value = now.hasEarlier
    }
  }

  function sendText(text: string, replyTo: number | null): void {
    room.value?.send({ kind: 'text', body: { text }, replyTo })
  }

  function sendSticker(code: string, replyTo: number | null): void {
    room.value?.send({ kind: 'sticker', body: { code }, replyTo })
  }

  function sendPlace(body: LocationBody, replyTo: number | null): void {
    room.value?.send({ kind: 'location', body, replyTo })
  }

  function sendCard(body: CardBody, replyTo: number | null): void {
    room.value?.send({ kind: 'card', body, replyTo })
  }

  /** Shows the file at once, uploads it, then sends the message. */
  function sendFile(
    kind: 'image' | 'voice' | 'video' | 'file',
    picked: Picked,
    extra: { durationMs?: number; waveform?: number[]; replyTo?: number | null } = {},
  ): void {
    const local: LocalPreview = {
      preview: picked.preview,
      name: picked.name,
      size: picked.size,
      durationMs: extra.durationMs ?? 0,
      waveform: extra.waveform ?? [],
    }
    const upload = uploadOf(picked, 'message')
    room.value?.send({
      kind,
      local,
      cancel: () => upload.cancel(),
      replyTo: extra.replyTo ?? null,
      prepare: async (progress) => {
        try {
          return { file: await upload.run(progress) } as MessageBody
        } catch (error) {
          throw new Error(messageOf(error))
        }
      },
    })
  }

  async function recall(seq: number): Promise<void> {
    try {
      await room.value?.recall(seq)
    } catch (error) {
      const problem = asRealtimeError(error)
      toast(problem.code === 'recall_too_late' ? zh.room.tooLateRecall : problem.message, true)
    }
  }

  return {
    id,
    room,
    view,
    rows,
    messages,
    hasEarlier,
    loadingEarlier,
    fault,
    typing,
    arrivals,
    me,
    past,
    pastRows,
    lookAt,
    pagePast,
    toNow,
    open,
    loadEarlier,
    sendText,
    sendSticker,
    sendPlace,
    sendCard,
    sendFile,
    recall,
  }
}
