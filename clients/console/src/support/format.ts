/** Times are shown in the hospital's zone, which staff share. */
const ZONE = "Asia/Shanghai";

const clock = new Intl.DateTimeFormat("zh-CN", {
  timeZone: ZONE,
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat("en-CA", {
  timeZone: ZONE,
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
});

export const timeOf = (at: string | Date): string => clock.format(new Date(at));
export const dateOf = (at: string | Date): string => day.format(new Date(at));
export const dateTimeOf = (at: string | null): string => (at ? `${dateOf(at)} ${timeOf(at)}` : "—");

/** 今天 09:30, 昨天 21:05, 11月3日 08:00, 2025-11-03. */
export function friendlyTime(at: string, now: Date = new Date()): string {
  const own = dateOf(at);
  if (own === dateOf(now)) return timeOf(at);
  if (own === dateOf(new Date(now.getTime() - 86_400_000))) return `昨天 ${timeOf(at)}`;
  const [year, month, date] = own.split("-");
  if (year === dateOf(now).slice(0, 4)) {
    return `${Number(month)}月${Number(date)}日 ${timeOf(at)}`;
  }
  return own;
}

export function friendlyDay(at: string, now: Date = new Date()): string {
  const own = dateOf(at);
  if (own === dateOf(now)) return "今天";
  if (own === dateOf(new Date(now.getTime() - 86_400_000))) return "昨天";
  const [year, month, date] = own.split("-");
  const short = `${Number(month)}月${Number(date)}日`;
  return year === dateOf(now).slice(0, 4) ? short : `${year}年${short}`;
}

/** 1:05, 12:00, 1:02:03. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/** 不到1分钟, 12分钟, 3小时5分, 2天. */
export function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "不到1分钟";
  if (minutes < 60) return `${minutes}分钟`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours}小时${minutes % 60}分` : `${hours}小时`;
  return `${Math.floor(hours / 24)}天`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  if (size < 1024 ** 2) return `${(size / 1024).toFixed(0)} KB`;
  return `${(size / 1024 ** 2).toFixed(1)} MB`;
}

/** Fen to yuan. */
export const yuan = (fen: number): string => `¥${(fen / 100).toFixed(2)}`;

/** Who a certificate's name speaks of: 演示签发CA of `CN=演示签发CA, O=诊间, C=CN`. */
export const commonName = (name: string): string => /(?:^|,\s*)CN=([^,]+)/.exec(name)?.[1] ?? name;
