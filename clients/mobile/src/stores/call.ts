import { defineStore } from 'pinia'
import { computed, markRaw, ref, shallowRef, watch } from 'vue'
import {
  asRealtimeError,
  CallClient,
  handsOf,
  MediaError,
  moderates,
  OngoingCalls,
  type CallMedia,
  type CallQuality,
  type CallStatus,
  type CallView,
  type DeviceList,
} from '@realtime'
import { consultations, rooms } from '@/api'
import { startRinging, type Ringing } from '@/native/ring'
import { isH5 } from '@/platform'
import { thisPage } from '@/platform/device'
import { ask, toast } from '@/platform/dialog'
import { pageUrl } from '@/platform/nav'
import { onTheWeb, openOnTheWeb } from '@/platform/web-view'
import { zh } from '@/strings'
import { useLive } from './live'
import { useSession } from './session'
import { useSettings } from './settings'

/** How long the end of a call stays on the screen. */
const ENDED_MS = 2500

/** The one call of this page. Mini-programs have no WebRTC: there a ring is shown, nothing more. */
export const useCall = defineStore('call', () => {
  const live = useLive()
  const session = useSession()
  const settings = useSettings()
  const client = shallowRef<CallClient | null>(null)
  const status = shallowRef<CallStatus | null>(null)
  const local = shallowRef<MediaStream | null>(null)
  const remotes = shallowRef<ReadonlyMap<string, MediaStream>>(new Map())
  /** The screen that one of the others shares, by his user id. */
  const screens = shallowRef<ReadonlyMap<string, MediaStream>>(new Map())
  const quality = shallowRef<ReadonlyMap<string, CallQuality>>(new Map())
  const devices = shallowRef<DeviceList>({ microphones: [], cameras: [], speakers: [] })
  const minimised = ref(false)
  /** Calls that go on, by room: a new tab or another device can come in. */
  const ongoing = shallowRef<ReadonlyMap<string, CallView>>(new Map())
  const speaker = ref('')
  let going: OngoingCalls | null = null
  let ringing: Ringing | null = null
  let asking = false
  let leaving: ReturnType<typeof setTimeout> | null = null

  const phase = computed(() => status.value?.phase ?? 'idle')
  const call = computed(() => status.value?.call ?? null)
  const others = computed(() =>
    (call.value?.participants ?? []).filter((one) => one.user_id !== session.user?.id),
  )
  /** Those who are in the call now; of a lecture who is on its stage. */
  const joined = computed(() =>
    others.value.filter((one) => one.state === 'joined' && one.on_stage),
  )
  const other = computed(
    () =>
      // Of several the one who speaks, or spoke last.
      joined.value.find((one) => one.user_id === status.value?.speaker) ??
      joined.value[0] ??
      // Of a lecture, whoever is not on its stage is no picture.
      (call.value?.lecture ? null : others.value[0]) ??
      null,
  )
  const lecture = computed(() => call.value?.lecture === true)
  /** We may send: not as a listener, nor before we agreed to go onto the stage. */
  const onStage = computed(() => status.value?.listening === 'no' && !status.value.invited)
  const moderator = computed(
    () => call.value !== null && session.user !== null && moderates(call.value, session.user.id),
  )
  /** Whose hands are up, the first one first. */
  const hands = computed(() => (call.value?.lecture ? handsOf(call.value) : []))
  const handUp = computed(() => hands.value.some((one) => one.user_id === session.user?.id))
  /** Who began the call, unless we did. */
  const starter = computed(
    () => others.value.find((one) => one.user_id === call.value?.started_by) ?? null,
  )
  /** The caller of an incoming call. */
  const caller = computed(() => starter.value ?? other.value)

  function follow(): void {
    watch(
      () => live.client,
      (now) => {
        client.value?.destroy()
        client.value = null
        going?.stop()
        going = null
        status.value = null
        ongoing.value = new Map()
        if (!now || !session.user) return
        now.on('online', () => void joinOpenRooms())
        if (!isH5) {
          now.on('call-ring', ({ call: found }) => void ringOutside(found))
          return
        }
        going = new OngoingCalls(now, (found) => (ongoing.value = found))
        const made = markRaw(
          new CallClient({ signalling: now, userId: session.user.id, device: thisPage() }),
        )
        made.on('status', (next) => (status.value = next))
        made.on('local', (stream) => (local.value = stream))
        made.on('remotes', (streams) => (remotes.value = new Map(streams)))
        made.on('screens', (streams) => (screens.value = new Map(streams)))
        made.on('quality', (levels) => (quality.value = new Map(levels)))
        made.on('devices', (list) => (devices.value = list))
        made.on('problem', (problem) => toast(problem.message, true))
        client.value = made
      },
      { immediate: true },
    )
    watch(phase, onPhase)
  }

  /** A mini-program has no WebRTC: its web view rings on, and answers. */
  async function ringOutside(found: CallView): Promise<void> {
    if (found.started_by === session.user?.id || asking || onTheWeb()) return
    asking = true
    const from = found.participants.find((one) => one.user_id === found.started_by)
    const yes = await ask({
      title: `${from?.name ?? ''}${found.media === 'video' ? zh.call.incomingVideo : zh.call.incomingVoice}`,
      text: found.asks_recording
        ? zh.call.asksRecording
        : found.recording
          ? zh.call.recordingNote
          : '',
      confirm: zh.call.accept,
      cancel: zh.call.decline,
    })
    asking = false
    if (yes) openOnTheWeb(pageUrl('/pages/room/index', { room: found.room }))
    else await live.client?.request('call:decline', { call: found.id }).catch(() => undefined)
  }

  /** Asks anew how many are in a call that goes on without us: only those inside are told. */
  async function lookAgain(room: string): Promise<void> {
    try {
      going?.note(room, await rooms.call(room))
    } catch {
      // The next look tells.
    }
  }

  /** Joined rooms tell of calls that ring or go on, and of unread messages. */
  async function joinOpenRooms(): Promise<void> {
    // Customer service talks along and reads no consultations; it takes no part in calls either.
    if (session.role === 'customer_service') return
    try {
      const open = await consultations.list({ state: 'active', limit: 30 })
      for (const one of open.items) {
        if (one.room_id) void live.client?.join(one.room_id).catch(() => undefined)
      }
    } catch {
      // The next connection tries again.
    }
  }

  function onPhase(now: string): void {
    if (now === 'incoming' || now === 'outgoing') {
      minimised.value = false
      ringing ??= settings.sound ? startRinging(now) : null
    } else {
      ringing?.stop()
      ringing = null
    }
    if (leaving) clearTimeout(leaving)
    if (now === 'ended') {
      minimised.value = false
      leaving = setTimeout(() => client.value?.dismiss(), ENDED_MS)
    }
  }

  async function attempt(work: () => Promise<void> | undefined): Promise<void> {
    try {
      await work()
    } catch (error) {
      toast(error instanceof MediaError ? error.message : asRealtimeError(error).message, true)
    }
  }

  /** Rings the others; a call that goes on in the room already is joined instead. */
  const start = (room: string, media: CallMedia, lecture = false): Promise<void> =>
    attempt(async () => {
      try {
        await client.value?.start(room, media, { lecture })
      } catch (error) {
        if (asRealtimeError(error).code !== 'call_in_progress') throw error
        const found = await rooms.call(room)
        if (found) await client.value?.rejoin(found)
      }
    })
  const join = (found: CallView): Promise<void> => attempt(() => client.value?.rejoin(found))
  const accept = (camera: boolean): Promise<void> => attempt(() => client.value?.accept({ camera }))
  const decline = (): Promise<void> => attempt(() => client.value?.decline())
  /** Of a lecture the audience counts too: it loses what it watches. */
  const several = computed(
    () => call.value?.state === 'active' && (call.value.lecture || joined.value.length > 1),
  )
  /** `end` for everybody, by who moderates; else only this side leaves. */
  const hangUp = (end: boolean): Promise<void> => attempt(() => client.value?.hangUp({ end }))

  const raiseHand = (up: boolean): Promise<void> => attempt(() => client.value?.raiseHand(up))
  const takeStage = (camera: boolean): Promise<void> =>
    attempt(() => client.value?.takeStage({ camera }))
  const leaveStage = (): Promise<void> => attempt(() => client.value?.leaveStage())
  const setMicrophone = (on: boolean): Promise<void> =>
    attempt(() => client.value?.setMicrophone(on))
  const setCamera = (on: boolean): Promise<void> => attempt(() => client.value?.setCamera(on))
  const switchCamera = (): Promise<void> => attempt(() => client.value?.switchCamera())

  const moderate = (user: string, action: Parameters<CallClient['moderate']>[1]): Promise<void> =>
    attempt(() => client.value?.moderate(user, action))

  /** Takes a device again that the system took away. */
  const retake = (device: 'microphone' | 'camera'): Promise<void> =>
    attempt(async () => {
      const now = client.value
      if (!now) return
      if (device === 'camera') {
        await now.setCamera(false)
        await now.setCamera(true)
      } else if (status.value?.microphone) {
        await now.choose({ microphone: now.choice.microphone })
      } else {
        await now.setMicrophone(true)
      }
    })

  async function loadDevices(): Promise<void> {
    await attempt(async () => {
      const found = await client.value?.devices()
      if (found) devices.value = found
    })
  }

  async function choose(kind: 'microphone' | 'camera' | 'speaker', id: string): Promise<void> {
    if (kind === 'speaker') speaker.value = id
    await attempt(() => client.value?.choose({ [kind]: id || null }))
  }

  return {
    status,
    phase,
    call,
    local,
    remotes,
    quality,
    devices,
    minimised,
    speaker,
    screens,
    joined,
    other,
    caller,
    starter,
    client,
    ongoing,
    follow,
    start,
    join,
    accept,
    decline,
    hangUp,
    lecture,
    several,
    onStage,
    moderator,
    hands,
    handUp,
    lookAgain,
    raiseHand,
    takeStage,
    leaveStage,
    setMicrophone,
    setCamera,
    switchCamera,
    moderate,
    retake,
    loadDevices,
    choose,
  }
})
