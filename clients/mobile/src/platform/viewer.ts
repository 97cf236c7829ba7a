import { overlay } from '@/native/overlay-state'
import { isH5 } from '.'

/** Shows pictures in full, beginning with one of them. */
export function viewPictures(urls: string[], index: number): void {
  if (!urls.length) return
  if (isH5) overlay.viewer = { urls, index }
  else uni.previewImage({ urls, current: index })
}
