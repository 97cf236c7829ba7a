/** What the system took away for a while: a telephone call, Siri, another app with the camera. */
export interface Interruption {
  microphone: boolean
  camera: boolean
}

export const NONE: Interruption = { microphone: false, camera: false }

interface Source {
  kind: string
  muted: boolean
  readyState: string
  addEventListener(name: string, listener: () => void): void
  removeEventListener(name: string, listener: () => void): void
}

/**
 * Follows the own tracks: `mute` comes when the system takes a device away, `unmute` when it gives it back, and on
 * iOS often neither, so that the state is read again when the page is looked at (`look`).
 */
export class Interruptions {
  private tracks: readonly Source[] = []
  private last: Interruption = NONE

  constructor(private readonly changed: (now: Interruption) => void) {}

  follow(tracks: readonly Source[]): void {
    for (const track of this.tracks) {
      for (const name of ['mute', 'unmute', 'ended']) track.removeEventListener(name, this.look)
    }
    this.tracks = tracks
    for (const track of tracks) {
      for (const name of ['mute', 'unmute', 'ended']) track.addEventListener(name, this.look)
    }
    this.look()
  }

  readonly look = (): void => {
    const gone = (kind: string): boolean =>
      this.tracks.some((one) => one.kind === kind && (one.muted || one.readyState === 'ended'))
    const now = { microphone: gone('audio'), camera: gone('video') }
    if (now.microphone === this.last.microphone && now.camera === this.last.camera) return
    this.last = now
    this.changed(now)
  }
}
