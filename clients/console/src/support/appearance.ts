import { ref } from "vue";

export type Appearance = "light" | "dark" | "system";
const STORED = "zhenjian.appearance";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export const appearance = ref<Appearance>(
  (localStorage.getItem(STORED) as Appearance | null) ?? "light",
);
export const isDark = ref(false);

export function applyAppearance(): void {
  isDark.value = appearance.value === "dark" || (appearance.value === "system" && system.matches);
  document.documentElement.classList.toggle("dark", isDark.value);
}

export function setAppearance(value: Appearance): void {
  appearance.value = value;
  localStorage.setItem(STORED, value);
  applyAppearance();
}

system.addEventListener("change", applyAppearance);
