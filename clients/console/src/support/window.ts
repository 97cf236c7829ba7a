/** Which rows of a long list of equal rows are drawn: those in sight and a few around them. */
export interface Rows {
  first: number;
  /** One past the last. */
  end: number;
  /** Pixels above the first drawn row, and of the whole list. */
  above: number;
  height: number;
}

export function rowsInSight(
  count: number,
  rowHeight: number,
  scrollTop: number,
  viewHeight: number,
  around = 8,
): Rows {
  const top = Math.max(0, Math.min(scrollTop, count * rowHeight - viewHeight));
  const first = Math.max(0, Math.floor(top / rowHeight) - around);
  const end = Math.min(count, Math.ceil((top + viewHeight) / rowHeight) + around);
  return { first, end: Math.max(first, end), above: first * rowHeight, height: count * rowHeight };
}

/** The scroll position at which a row stands wholly in sight, moving as little as possible. */
export function scrollToRow(
  row: number,
  rowHeight: number,
  scrollTop: number,
  viewHeight: number,
): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + viewHeight) return top + rowHeight - viewHeight;
  return scrollTop;
}
