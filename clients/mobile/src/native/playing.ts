import { ref } from 'vue'

/** What of an element is needed to let it play. */
export interface Player {
  play(): Promise<void>
  paused: boolean
}

/**
 * Live sound and pictures that a browser does not let play by themselves. iOS and WeChat want a touch before the
 * first sound, and stop what plays when the page goes to the background.
 */
export class Playing {
  /** Something waits for a touch. */
  readonly blocked = ref(false)
  private readonly players = new Set<Player>()
  private readonly waiting = new Set<Player>()

  async start(player: Player): Promise<void> {
    this.players.add(player)
    try {
      await player.play()
      this.waiting.delete(player)
    } catch (error) {
      // Another stream took its place meanwhile (AbortError): that one is started by itself.
      if ((error as Error).name === 'NotAllowedError' && this.players.has(player)) {
        this.waiting.add(player)
      }
    }
    this.blocked.value = this.waiting.size > 0
  }

  forget(player: Player): void {
    this.players.delete(player)
    this.waiting.delete(player)
    this.blocked.value = this.waiting.size > 0
  }

  /** After a touch, and when the page is looked at again: whatever stands still is started. */
  async resume(): Promise<void> {
    await Promise.all(
      [...this.players]
        .filter((one) => one.paused || this.waiting.has(one))
        .map((one) => this.start(one)),
    )
  }
}

export const playing = new Playing()
