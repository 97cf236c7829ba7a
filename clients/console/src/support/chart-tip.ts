/** What the pointer is at: a point of each series, as the chart tells it. */
export interface Point {
  axisValueLabel?: string;
  name?: string;
  seriesName?: string;
  seriesIndex?: number;
  value?: unknown;
  color?: unknown;
}

/**
 * The words beside the pointer, a line a series, with the unit that `unitOf` names for it.
 *
 * Made of elements: what the chart writes by itself brings styles in its markup, which the page's
 * policy refuses, so that colours, spaces and numbers run into one another.
 */
export const tipOf =
  (unitOf: (series: number) => string = () => "") =>
  (points: Point | Point[]): HTMLElement => {
    const all = Array.isArray(points) ? points : [points];
    const tip = made("div", "chart-tip");
    tip.append(made("div", "chart-tip__title", all[0]?.axisValueLabel ?? all[0]?.name ?? ""));
    for (const one of all) {
      const line = made("div", "chart-tip__line");
      const mark = made("span", "chart-tip__mark");
      mark.style.backgroundColor = typeof one.color === "string" ? one.color : "";
      const known = typeof one.value === "number";
      const unit = known ? unitOf(one.seriesIndex ?? 0) : "";
      const value = known ? `${one.value}${unit && ` ${unit}`}` : "—";
      const name = made("span", "chart-tip__name", one.seriesName ?? "");
      line.append(mark, name, made("strong", "number", value));
      tip.append(line);
    }
    return tip;
  };

function made(tag: string, kind: string, text = ""): HTMLElement {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  return element;
}
