import { MEDIA_PROBLEM_TEXT, mediaProblem } from '@realtime'
import { zh } from '@/strings'
import { isH5 } from '.'
import { pickedBlob } from './pick'
import type { Picked } from './upload'

export interface Take {
  picked: Picked
  durationMs: number
  /** Loudness over time, 0 to 100. */
  waveform: number[]
}

/** A running recording of one voice message. */
export interface Recording {
  stop(): Promise<Take>
  cancel(): void
}

const SAMPLE_EVERY_MS = 100

/** What browsers write, best first; Safari has only the second. */
const TYPES: readonly [type: string, ending: string][] = [
  ['audio/webm;codecs=opus', 'webm'],
  ['audio/mp4', 'm4a'],
  ['audio/ogg;codecs=opus', 'ogg'],
]

/**
 * Starts recording; `level` hears the loudness from 0 to 1.
 * @throws Error with a sentence for the screen when the microphone cannot be used.
 */
export function record(level: (value: number) => void): Promise<Recording> {
  return isH5 ? recordInBrowser(level) : recordInMiniProgram(level)
}

async function recordInBrowser(level: (value: number) => void): Promise<Recording> {
  const devices = navigator.mediaDevices as MediaDevices | undefined
  if (!devices || typeof MediaRecorder === 'undefined') {
    throw new Error(
      window.isSecureContext ? MEDIA_PROBLEM_TEXT.unsupported : MEDIA_PROBLEM_TEXT.insecure_page,
    )
  }
  let stream: MediaStream
  try {
    stream = await devices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    })
  } catch (error) {
    throw new Error(MEDIA_PROBLEM_TEXT[mediaProblem(error)])
  }
  const chosen = TYPES.find(([type]) => MediaRecorder.isTypeSupported(type))
  const recorder = new MediaRecorder(stream, {
    ...(chosen ? { mimeType: chosen[0] } : {}),
    audioBitsPerSecond: 32_000,
  })
  const chunks: Blob[] = []
  recorder.ondataavailable = (event) => chunks.push(event.data)
  const meter = measure(stream, level)
  const began = Date.now()
  recorder.start(250)

  const release = (): void => {
    meter.stop()
    stream.getTracks().forEach((track) => track.stop())
  }
  return {
    cancel: () => {
      recorder.onstop = null
      if (recorder.state !== 'inactive') recorder.stop()
      release()
    },
    stop: async () => {
      const durationMs = Date.now() - began
      if (recorder.state !== 'inactive') {
        await new Promise<void>((resolve) => {
          recorder.onstop = () => resolve()
          recorder.stop()
        })
      }
      release()
      const type = (recorder.mimeType || 'audio/webm').split(';')[0] ?? 'audio/webm'
      const ending = TYPES.find(([one]) => one.startsWith(type))?.[1] ?? 'webm'
      const picked = pickedBlob(new Blob(chunks, { type }), `voice.${ending}`)
      return { picked, durationMs, waveform: meter.waveform() }
    },
  }
}

function measure(
  stream: MediaStream,
  level: (value: number) => void,
): { stop(): void; waveform(): number[] } {
  const context = new AudioContext()
  const analyser = context.createAnalyser()
  analyser.fftSize = 512
  context.createMediaStreamSource(stream).connect(analyser)
  const samples = new Uint8Array(analyser.fftSize)
  const heard: number[] = []
  const timer = setInterval(() => {
    analyser.getByteTimeDomainData(samples)
    let peak = 0
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample - 128))
    const value = Math.min(1, peak / 96)
    heard.push(Math.round(value * 100))
    level(value)
  }, SAMPLE_EVERY_MS)
  return {
    stop: () => {
      clearInterval(timer)
      void context.close()
    },
    waveform: () => heard,
  }
}

function recordInMiniProgram(level: (value: number) => void): Promise<Recording> {
  return new Promise((resolve, reject) => {
    const manager = uni.getRecorderManager()
    const heard: number[] = []
    let began = 0
    let stopped: ((take: Take) => void) | null = null
    manager.onStart(() => {
      began = Date.now()
      resolve({
        cancel: () => {
          stopped = null
          manager.stop()
        },
        stop: () =>
          new Promise<Take>((done) => {
            stopped = done
            manager.stop()
          }),
      })
    })
    manager.onStop((result: { tempFilePath: string; duration?: number; fileSize?: number }) => {
      stopped?.({
        picked: {
          name: 'voice.mp3',
          size: result.fileSize ?? 0,
          preview: result.tempFilePath,
          file: null,
          path: result.tempFilePath,
        },
        durationMs: result.duration ?? Date.now() - began,
        waveform: heard,
      })
      stopped = null
    })
    manager.onError(() => reject(new Error(zh.room.voiceDenied)))
    manager.start({ duration: 60_000, format: 'mp3', sampleRate: 16_000, numberOfChannels: 1 })
    level(0)
  })
}
