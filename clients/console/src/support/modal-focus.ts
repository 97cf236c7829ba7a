/** Whether the screen shows it. */
const shown = (one: HTMLElement): boolean =>
  one.getClientRects().length > 0 && getComputedStyle(one).visibility !== "hidden";

function layerOf(one: HTMLElement): number {
  const layer = one.closest<HTMLElement>(".el-overlay") ?? one;
  return Number(getComputedStyle(layer).zIndex) || 0;
}

/** The dialog in front of all others, if there is one. */
function front(): HTMLElement | null {
  const open = [...document.querySelectorAll<HTMLElement>('[aria-modal="true"]')].filter(shown);
  return open.sort((one, other) => layerOf(other) - layerOf(one))[0] ?? null;
}

/** Element Plus knows of its own dialogs alone, and would fetch the focus back from any other. */
const foreign = (box: HTMLElement): boolean => box.closest(".el-overlay") === null;

function entered(event: FocusEvent): void {
  const target = event.target as HTMLElement;
  const box = front();
  if (!box) return;
  if (box.contains(target)) {
    if (foreign(box)) event.stopPropagation();
    return;
  }
  // Lists and calendars of a dialog's fields hang beside it.
  if (!foreign(box) && target.closest(".el-popper")) return;
  event.stopPropagation();
  const first = box.querySelector<HTMLElement>(
    'input:not([disabled]), textarea:not([disabled]), button:not([disabled]), [tabindex="0"]',
  );
  (first ?? box).focus();
}

function left(event: FocusEvent): void {
  const box = front();
  const next = event.relatedTarget as Node | null;
  if (box && next && foreign(box) && box.contains(next)) event.stopPropagation();
}

/** The focus of the keyboard comes back to the dialog in front, whatever let it slip away. */
export function keepFocusInDialogs(): void {
  window.addEventListener("focusin", entered, true);
  window.addEventListener("focusout", left, true);
}
