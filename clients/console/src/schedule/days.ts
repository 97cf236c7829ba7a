/** Days as the hospital's people say them: Monday is the first of a week. */

const two = (value: number): string => String(value).padStart(2, "0");

export const dayOf = (moment: string | Date): string => {
  const at = new Date(moment);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
};
export const clock = (moment: string): string => {
  const at = new Date(moment);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
};
export const later = (day: string, days: number): string => {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return dayOf(new Date(year, month - 1, date + days));
};
export const mondayOf = (day: string): string => {
  const weekday = new Date(`${day}T00:00`).getDay();
  return later(day, -((weekday + 6) % 7));
};
/** The moment of a clock time on a day of this device. */
export const momentOf = (day: string, time: string): string =>
  new Date(`${day}T${time}`).toISOString();

export const WEEKDAYS = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"] as const;
