/** The stickers of the house, drawn here so that every device shows the same picture. */
export interface Sticker {
  code: string;
  /** Said in lists and read aloud. */
  label: string;
  /** A `data:` address for an image element, 96 by 96. */
  image: string;
}

const FACE = "#ffd166";
const INK = "#5b3a1e";
const line = (path: string) =>
  `<path d="${path}" fill="none" stroke="${INK}" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>`;
const face = (inner: string) => `<circle cx="48" cy="48" r="40" fill="${FACE}"/>${inner}`;
const eyes = `<circle cx="34" cy="42" r="5" fill="${INK}"/><circle cx="62" cy="42" r="5" fill="${INK}"/>`;
const closed = line("M27 43q7-8 14 0") + line("M55 43q7-8 14 0");
const HEART = "M48 78C20 58 14 44 18 32c5-14 23-14 30 0 7-14 25-14 30 0 4 12-2 26-30 46z";
const HAND = "M36 46l12-26c8 0 11 6 9 13l-3 9h18c6 0 9 5 8 10l-5 22c-1 5-4 8-10 8H40c-3 0-4-2-4-4z";

const DRAWINGS: [code: string, label: string, inner: string][] = [
  ["smile", "微笑", face(eyes + line("M32 58q16 16 32 0"))],
  ["happy", "开心", face(closed + `<path d="M30 56h36q-3 20-18 20T30 56z" fill="${INK}"/>`)],
  [
    "thanks",
    "谢谢",
    face(
      closed +
        line("M36 60q12 10 24 0") +
        `<circle cx="24" cy="56" r="6" fill="#ff9aa2"/><circle cx="72" cy="56" r="6" fill="#ff9aa2"/>`,
    ),
  ],
  [
    "relieved",
    "放心",
    face(line("M27 42q7 7 14 0") + line("M55 42q7 7 14 0") + line("M34 60q14 12 28 0")),
  ],
  ["thinking", "思考", face(eyes + line("M36 64h20") + line("M54 28q8-4 14 2"))],
  [
    "worried",
    "担心",
    face(eyes + line("M34 66q14-12 28 0") + line("M26 32q8-4 14-2") + line("M56 30q6-2 14 2")),
  ],
  [
    "unwell",
    "不舒服",
    face(line("M28 37l12 10M40 37L28 47M56 37l12 10M68 37L56 47") + line("M34 66q7-8 14 0t14 0")),
  ],
  [
    "cry",
    "难过",
    face(
      eyes + line("M34 68q14-14 28 0") + `<path d="M66 50q8 12 0 16-8-4 0-16z" fill="#6ec6f1"/>`,
    ),
  ],
  [
    "ok",
    "好的",
    `<path d="${HAND}" fill="${FACE}"/><rect x="14" y="44" width="18" height="40" rx="5" fill="#0e8f88"/>`,
  ],
  ["heart", "爱心", `<path d="${HEART}" fill="#ef6f6c"/>`],
  [
    "cheer",
    "加油",
    `<circle cx="48" cy="48" r="40" fill="#0e8f88"/><path d="M48 22l8 16 18 2-13 12 4 18-17-9-17 9 4-18-13-12 18-2z" fill="#fff"/>`,
  ],
  [
    "rose",
    "送花",
    `<path d="M48 52v34" stroke="#4b9b5f" stroke-width="6" stroke-linecap="round"/><path d="M48 74q16-2 18-16-16 0-18 16z" fill="#4b9b5f"/><circle cx="48" cy="34" r="22" fill="#e5586a"/><path d="M48 24q12 4 8 16-10 8-17-1" fill="none" stroke="#fff" stroke-opacity=".7" stroke-width="4" stroke-linecap="round"/>`,
  ],
];

export const STICKERS: readonly Sticker[] = DRAWINGS.map(([code, label, inner]) => ({
  code,
  label,
  image: `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96">${inner}</svg>`,
  )}`,
}));

/** Null for a code of a newer version. */
export const stickerOf = (code: string): Sticker | null =>
  STICKERS.find((sticker) => sticker.code === code) ?? null;
