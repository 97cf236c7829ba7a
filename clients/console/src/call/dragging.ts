import { reactive } from "vue";

/** Moving a window by its bar; it always stays within reach. */
export function useDragging(movable: () => boolean) {
  const place = reactive({ x: 0, y: 0 });
  let grabbed: { x: number; y: number } | null = null;

  function grab(event: PointerEvent): void {
    if (!movable() || (event.target as HTMLElement).closest("button")) return;
    grabbed = { x: event.clientX - place.x, y: event.clientY - place.y };
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  }
  function drag(event: PointerEvent): void {
    if (!grabbed) return;
    const reachX = window.innerWidth - 160;
    const reachY = window.innerHeight - 240;
    place.x = Math.max(-reachX, Math.min(0, event.clientX - grabbed.x));
    place.y = Math.max(-120, Math.min(reachY, event.clientY - grabbed.y));
  }
  const drop = (): void => {
    grabbed = null;
  };
  return { place, grab, drag, drop };
}
