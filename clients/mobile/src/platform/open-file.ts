import { overlay } from '@/native/overlay-state'
import { zh } from '@/strings'
import { isH5 } from '.'
import { toast } from './dialog'

/** Saves or shows a stored file with what the device has for it. */
export async function openFile(url: string, name: string): Promise<void> {
  if (!url) {
    toast(zh.common.missingText, true)
    return
  }
  if (isH5) {
    const link = document.createElement('a')
    link.href = url
    link.download = name
    link.target = '_blank'
    link.rel = 'noopener'
    link.click()
    return
  }
  await new Promise<void>((resolve) => {
    uni.downloadFile({
      url,
      success: (found) =>
        uni.openDocument({
          filePath: found.tempFilePath,
          showMenu: true,
          complete: () => resolve(),
        }),
      fail: () => {
        toast(zh.common.offline, true)
        resolve()
      },
    })
  })
}

/** Plays a stored video over the page. */
export function playVideo(url: string): void {
  if (!url) {
    toast(zh.common.missingText, true)
    return
  }
  if (isH5) {
    overlay.video = url
    return
  }
  // #ifdef MP-WEIXIN
  uni.previewMedia({ sources: [{ url, type: 'video' }] })
  // #endif
  // #ifdef MP-ALIPAY
  void openFile(url, 'video.mp4')
  // #endif
}

/** Opens a web page; mini-programs may not, so there the address is copied. */
export function openAddress(address: string): void {
  if (isH5) {
    window.open(address, '_blank', 'noopener,noreferrer')
    return
  }
  uni.setClipboardData({
    data: address,
    showToast: false,
    success: () => toast(zh.announcements.copied),
  })
}
