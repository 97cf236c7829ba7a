const REACHABLE =
  'button:not([disabled]), input:not([disabled]), textarea:not([disabled]), a[href], [tabindex="0"]'

function reachable(box: Element): HTMLElement[] {
  return [...box.querySelectorAll<HTMLElement>(REACHABLE)].filter(
    (one) => one.offsetParent !== null,
  )
}

/** Moves into a dialog: to what `first` finds, or else to the dialog itself, without a keyboard. */
export function enterDialog(box: Element | null, first = ''): void {
  const target = first ? box?.querySelector<HTMLElement>(first) : null
  if (target) target.focus()
  else if (box instanceof HTMLElement) {
    box.tabIndex = -1
    box.focus()
  }
}

/** Keeps the tabulator inside a dialog. */
export function keepInside(event: KeyboardEvent, box: Element | null): void {
  if (event.key !== 'Tab' || !box) return
  const all = reachable(box)
  const [first, last] = [all[0], all[all.length - 1]]
  if (!first || !last) return
  const now = document.activeElement
  if (!box.contains(now) || now === (event.shiftKey ? first : last)) {
    event.preventDefault()
    ;(event.shiftKey ? last : first).focus()
  }
}
