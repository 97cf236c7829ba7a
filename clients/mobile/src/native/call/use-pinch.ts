import { computed, ref } from 'vue'
import { held, pinched, UNMOVED, type Place } from '@/logic/call-tiles'

/** Two fingers enlarge what lies under them, one finger moves what is enlarged. */
export function usePinch() {
  const place = ref<Place>(UNMOVED)
  let from: { x: number; y: number; apart: number } | null = null

  function read(event: TouchEvent): { x: number; y: number; apart: number } {
    const [one, other] = [event.touches[0], event.touches[1]]
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect()
    if (!one) return { x: 0, y: 0, apart: 0 }
    const second = other ?? one
    return {
      x: (one.clientX + second.clientX) / 2 - box.left - box.width / 2,
      y: (one.clientY + second.clientY) / 2 - box.top - box.height / 2,
      apart: Math.hypot(one.clientX - second.clientX, one.clientY - second.clientY),
    }
  }

  function begin(event: TouchEvent): void {
    from = read(event)
  }

  function move(event: TouchEvent): void {
    if (!from) return
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect()
    const now = read(event)
    const moved = held(
      {
        ...place.value,
        x: place.value.x + now.x - from.x,
        y: place.value.y + now.y - from.y,
      },
      box,
    )
    place.value =
      from.apart > 0 && now.apart > 0 ? pinched(moved, now.apart / from.apart, now, box) : moved
    from = now
    event.preventDefault()
  }

  function end(event: TouchEvent): void {
    // The finger that stays goes on moving from where it is.
    from = event.touches.length > 0 ? read(event) : null
  }

  const style = computed(() => {
    const { scale, x, y } = place.value
    return scale === 1 ? '' : `transform:translate(${x}px,${y}px) scale(${scale})`
  })
  return { style, begin, move, end, reset: () => (place.value = UNMOVED) }
}
