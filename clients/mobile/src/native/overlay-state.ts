import { reactive } from 'vue'

export interface Question {
  title: string
  text: string
  confirm: string
  cancel: string
  danger: boolean
  answer: (yes: boolean) => void
}

/** What lies over every page: the question being asked and the last short notice. */
export const overlay = reactive({
  question: null as Question | null,
  /** Who waits for a second factor to be proved. */
  factor: null as { answer: (proved: boolean) => void } | null,
  /** Pictures shown in full. */
  viewer: null as { urls: string[]; index: number } | null,
  /** Address of the video that plays in full. */
  video: '',
  toast: null as { text: string; bad: boolean; key: number } | null,
})
