// Written by build.mjs from tokens.json. Change the tokens there.

export const colour = {
  "action": "#0a7a74",
  "action-strong": "#08635e",
  "action-deep": "#07544f",
  "action-soft": "#d9f0ee",
  "action-faint": "#eff9f8",
  "on-action": "#ffffff",
  "waiting": "#985a00",
  "waiting-strong": "#7d4a00",
  "waiting-soft": "#fdefd5",
  "waiting-faint": "#fff9ee",
  "danger": "#c62a2a",
  "danger-strong": "#a82222",
  "danger-soft": "#fce3e1",
  "danger-faint": "#fff5f4",
  "past": "#5f6b72",
  "past-soft": "#eceff0",
  "ink": "#172026",
  "ink-2": "#46535b",
  "ink-3": "#5d6971",
  "ink-4": "#87929a",
  "page": "#f3f6f6",
  "card": "#ffffff",
  "raised": "#ffffff",
  "sunken": "#eef2f2",
  "line": "#dfe5e6",
  "line-strong": "#c3ccce",
  "bubble-mine": "#cdeeea",
  "bubble-other": "#ffffff",
  "mask": "rgba(16, 28, 32, 0.48)",
  "call": "#10201f",
  "call-raised": "#1c3231",
  "on-call": "#f1f7f6"
} as const;

export const type = {
  "family": "-apple-system, BlinkMacSystemFont, \"PingFang SC\", \"HarmonyOS Sans SC\", \"Microsoft YaHei\", \"Noto Sans CJK SC\", \"Noto Sans SC\", sans-serif",
  "family-number": "\"DIN Alternate\", \"Roboto\", \"Helvetica Neue\", \"Noto Sans CJK SC\", sans-serif",
  "xs": "12px",
  "sm": "13px",
  "md": "15px",
  "lg": "17px",
  "xl": "20px",
  "2xl": "24px",
  "3xl": "32px",
  "line-tight": "1.3",
  "line": "1.55",
  "weight": "400",
  "weight-medium": "500",
  "weight-bold": "600"
} as const;

export const space = {
  "0": "0px",
  "1": "4px",
  "2": "8px",
  "3": "12px",
  "4": "16px",
  "5": "20px",
  "6": "24px",
  "8": "32px",
  "10": "40px",
  "12": "48px",
  "16": "64px"
} as const;

export const radius = {
  "sm": "4px",
  "md": "8px",
  "lg": "12px",
  "xl": "16px",
  "full": "999px"
} as const;

export const shadow = {
  "1": "0 1px 2px rgba(16, 40, 42, 0.06)",
  "2": "0 2px 10px rgba(16, 40, 42, 0.08)",
  "3": "0 8px 28px rgba(16, 40, 42, 0.16)"
} as const;

export const motion = {
  "fast": "120ms",
  "normal": "200ms",
  "slow": "320ms",
  "ease": "cubic-bezier(0.2, 0, 0, 1)"
} as const;

export const touch = {
  "min": "44px",
  "control": "40px",
  "bar": "52px"
} as const;

export const elder = {
  "type-xs": "16px",
  "type-sm": "18px",
  "type-md": "20px",
  "type-lg": "23px",
  "type-xl": "26px",
  "type-2xl": "30px",
  "type-3xl": "40px",
  "touch-min": "56px",
  "touch-control": "56px",
  "touch-bar": "64px",
  "colour-ink-2": "#2d3940",
  "colour-ink-3": "#46535b",
  "colour-action": "#08635e",
  "colour-line": "#b9c4c7"
} as const;

export const dark = {
  "colour-action": "#2bb3aa",
  "colour-action-strong": "#4cc9c0",
  "colour-action-deep": "#a5e8e3",
  "colour-action-soft": "#15403d",
  "colour-action-faint": "#122c2b",
  "colour-on-action": "#06201e",
  "colour-waiting": "#e5a23c",
  "colour-waiting-strong": "#f2bd6b",
  "colour-waiting-soft": "#43310f",
  "colour-waiting-faint": "#2b2313",
  "colour-danger": "#f0635d",
  "colour-danger-strong": "#ff8b86",
  "colour-danger-soft": "#4a2020",
  "colour-danger-faint": "#2f1b1b",
  "colour-past": "#8d989e",
  "colour-past-soft": "#273134",
  "colour-ink": "#e7edee",
  "colour-ink-2": "#b9c4c8",
  "colour-ink-3": "#8f9ba0",
  "colour-ink-4": "#76838a",
  "colour-page": "#11181a",
  "colour-card": "#182124",
  "colour-raised": "#1f2a2d",
  "colour-sunken": "#0d1314",
  "colour-line": "#2b373b",
  "colour-line-strong": "#3e4c51",
  "colour-bubble-mine": "#17524d",
  "colour-bubble-other": "#243034",
  "colour-mask": "rgba(0, 0, 0, 0.6)",
  "shadow-1": "0 1px 2px rgba(0, 0, 0, 0.4)",
  "shadow-2": "0 2px 10px rgba(0, 0, 0, 0.45)",
  "shadow-3": "0 8px 28px rgba(0, 0, 0, 0.6)"
} as const;
