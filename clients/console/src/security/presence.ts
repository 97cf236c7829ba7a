/** Whether somebody is at this browser: the last touch of any tab counts. */

const TOUCHED = "zhenjian.touched";
/** Longer than this without a touch, and nobody is there. */
const AWAY_MS = 60_000;
/** The other tabs are told no more often. */
const TELL_MS = 5_000;

let mine = Date.now();
let told = 0;
let busy: () => boolean = () => false;

function touch(): void {
  mine = Date.now();
  if (mine - told < TELL_MS) return;
  told = mine;
  localStorage.setItem(TOUCHED, String(mine));
}

for (const event of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
  window.addEventListener(event, touch, { passive: true, capture: true });
}

/** A call keeps its people present, though nobody touches anything. */
export function presentWhile(check: () => boolean): void {
  busy = check;
}

/** Milliseconds since 1970 of the last sign of a person in any tab. */
export function lastSeen(): number {
  if (busy()) touch();
  const theirs = Number(localStorage.getItem(TOUCHED) ?? 0);
  return Math.max(mine, Number.isFinite(theirs) ? theirs : 0);
}

export function isAway(): boolean {
  return Date.now() - lastSeen() > AWAY_MS;
}

export { touch };
