import { overlay } from '@/native/overlay-state'
import { messageOf } from '@/api/problem'
import { zh } from '@/strings'
import { isH5 } from '.'

export interface Asking {
  title: string
  text?: string
  confirm?: string
  cancel?: string
  /** The act cannot be undone. */
  danger?: boolean
}

/** Asks before an act; resolves to false when the person closes the question. */
export function ask(asking: Asking): Promise<boolean> {
  const { title, text = '', confirm = zh.common.confirm, cancel = zh.common.cancel } = asking
  if (!isH5) {
    return new Promise((resolve) =>
      uni.showModal({
        title,
        content: text,
        confirmText: confirm.slice(0, 4),
        cancelText: cancel.slice(0, 4),
        success: (answer) => resolve(answer.confirm),
        fail: () => resolve(false),
      }),
    )
  }
  overlay.question?.answer(false)
  return new Promise((resolve) => {
    overlay.question = {
      title,
      text,
      confirm,
      cancel,
      danger: asking.danger ?? false,
      answer: (yes) => {
        overlay.question = null
        resolve(yes)
      },
    }
  })
}

let counter = 0

/** A short notice that goes away by itself. */
export function toast(text: string, bad = false): void {
  if (!isH5) {
    uni.showToast({ title: text, icon: 'none', duration: 2500 })
    return
  }
  const key = ++counter
  overlay.toast = { text, bad, key }
  setTimeout(
    () => {
      if (overlay.toast?.key === key) overlay.toast = null
    },
    bad ? 4000 : 2500,
  )
}

/** Shows why something failed. */
export function tell(error: unknown): void {
  toast(messageOf(error), true)
}
