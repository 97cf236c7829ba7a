import { describe, expect, it } from 'vitest'
import { Interruptions, type Interruption } from '@/native/interruption'
import { Playing, type Player } from '@/native/playing'

class Track extends EventTarget {
  muted = false
  readyState = 'live'
  constructor(readonly kind: string) {
    super()
  }
  becomes(change: { muted?: boolean; readyState?: string }, event: string): void {
    Object.assign(this, change)
    this.dispatchEvent(new Event(event))
  }
}

class Element implements Player {
  paused = true
  constructor(public refusal: string | null = null) {}
  play(): Promise<void> {
    if (this.refusal) return Promise.reject(Object.assign(new Error(), { name: this.refusal }))
    this.paused = false
    return Promise.resolve()
  }
}

describe('what plays', () => {
  it('asks for a touch where the browser wants one, and plays after it', async () => {
    const playing = new Playing()
    const [sound, picture] = [new Element('NotAllowedError'), new Element()]
    await playing.start(sound)
    await playing.start(picture)
    expect(playing.blocked.value).toBe(true)
    sound.refusal = null
    await playing.resume()
    expect([sound.paused, playing.blocked.value]).toEqual([false, false])
  })

  it('goes on after the background stopped it, and forgets who left', async () => {
    const playing = new Playing()
    const [stopped, left] = [new Element(), new Element('NotAllowedError')]
    await playing.start(stopped)
    await playing.start(left)
    stopped.paused = true
    playing.forget(left)
    expect(playing.blocked.value).toBe(false)
    await playing.resume()
    expect([stopped.paused, left.paused]).toEqual([false, true])
  })

  it('is not blocked by a stream that replaced another', async () => {
    const playing = new Playing()
    await playing.start(new Element('AbortError'))
    expect(playing.blocked.value).toBe(false)
  })
})

describe('an interrupted capture', () => {
  const follow = (...tracks: Track[]) => {
    const heard: Interruption[] = []
    const watcher = new Interruptions((now) => heard.push(now))
    watcher.follow(tracks)
    return { heard, watcher }
  }

  it('is told when the system takes a device, and when it gives it back', () => {
    const audio = new Track('audio')
    const { heard } = follow(audio, new Track('video'))
    audio.becomes({ muted: true }, 'mute')
    audio.becomes({ muted: false }, 'unmute')
    expect(heard).toEqual([
      { microphone: true, camera: false },
      { microphone: false, camera: false },
    ])
  })

  it('is found when the page is looked at again, without any event', () => {
    const [audio, video] = [new Track('audio'), new Track('video')]
    const { heard, watcher } = follow(audio, video)
    video.readyState = 'ended'
    audio.muted = true
    watcher.look()
    watcher.look()
    expect(heard).toEqual([{ microphone: true, camera: true }])
  })

  it('is over with fresh tracks, and old ones are heard no longer', () => {
    const old = new Track('audio')
    const { heard, watcher } = follow(old)
    old.becomes({ muted: true }, 'mute')
    watcher.follow([new Track('audio')])
    old.becomes({ muted: true }, 'mute')
    expect(heard.map((one) => one.microphone)).toEqual([true, false])
  })
})
