/** Days and times as the hospital's people say them: in its zone, Monday the first of a week. */
import { dateOf, timeOf } from "@/support/format";

/** The day so many days after another; both `2026-11-22`. */
export const later = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);

export const mondayOf = (day: string): string => later(day, -((new Date(day).getUTCDay() + 6) % 7));

/** The moment of a time of the hospital's day: China has one zone and no summer time. */
export const momentOf = (day: string, time = "00:00"): string => `${day}T${time}:00+08:00`;

/** Day and time of a moment, `2026-11-22 09:00`: what a picker that knows no zones is given. */
export const faceOf = (moment: string | Date): string => `${dateOf(moment)} ${timeOf(moment)}`;

/** The moment that such a picker gave. */
export const momentOfFace = (face: string): string => {
  const [day = "", time] = face.split(" ");
  return momentOf(day, time);
};

export const WEEKDAYS = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"] as const;
