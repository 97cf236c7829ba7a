import { isH5 } from '.'
import type { Picked } from './upload'

export type PickKind = 'image' | 'camera' | 'video' | 'file'

function fromFile(file: File): Picked {
  return {
    name: file.name || 'photo.jpg',
    size: file.size,
    preview: URL.createObjectURL(file),
    file,
    path: '',
  }
}

/** A file made by the page itself (a recording). */
export function pickedBlob(blob: Blob, name: string): Picked {
  return fromFile(new File([blob], name, { type: blob.type }))
}

let input: HTMLInputElement | null = null

function pickInBrowser(kind: PickKind, limit: number): Promise<Picked[]> {
  return new Promise((resolve) => {
    input?.remove()
    const element = document.createElement('input')
    input = element
    element.type = 'file'
    element.style.display = 'none'
    element.dataset.testid = 'file-input'
    element.multiple = limit > 1 && kind !== 'camera'
    if (kind === 'image' || kind === 'camera') element.accept = 'image/*'
    if (kind === 'video') element.accept = 'video/*'
    if (kind === 'camera') element.setAttribute('capture', 'environment')
    element.onchange = () => {
      const files = Array.from(element.files ?? []).slice(0, limit)
      element.remove()
      resolve(files.map(fromFile))
    }
    element.oncancel = () => {
      element.remove()
      resolve([])
    }
    document.body.appendChild(element)
    element.click()
  })
}

function pickInMiniProgram(kind: PickKind, limit: number): Promise<Picked[]> {
  const nameOf = (path: string): string => path.split('/').pop() ?? 'file'
  return new Promise((resolve) => {
    const none = (): void => resolve([])
    if (kind === 'video') {
      uni.chooseVideo({
        sourceType: ['album', 'camera'],
        success: (found) =>
          resolve([
            {
              name: nameOf(found.tempFilePath),
              size: found.size,
              preview: found.tempFilePath,
              file: null,
              path: found.tempFilePath,
            },
          ]),
        fail: none,
      })
      return
    }
    if (kind === 'file') {
      // #ifdef MP-WEIXIN
      uni.chooseMessageFile({
        count: limit,
        success: (found: { tempFiles: { path: string; name: string; size: number }[] }) =>
          resolve(
            found.tempFiles.map((one) => ({
              name: one.name,
              size: one.size,
              preview: one.path,
              file: null,
              path: one.path,
            })),
          ),
        fail: none,
      })
      return
      // #endif
    }
    uni.chooseImage({
      count: limit,
      sourceType: kind === 'camera' ? ['camera'] : ['album', 'camera'],
      success: (found) => {
        const paths = Array.isArray(found.tempFilePaths)
          ? found.tempFilePaths
          : [found.tempFilePaths]
        const sizes = (found.tempFiles ?? []) as { size?: number }[]
        resolve(
          paths.map((path, i) => ({
            name: nameOf(path),
            size: sizes[i]?.size ?? 0,
            preview: path,
            file: null,
            path,
          })),
        )
      },
      fail: none,
    })
  })
}

/** Lets the person choose files; an empty list when they changed their mind. */
export function pick(kind: PickKind, limit = 1): Promise<Picked[]> {
  return isH5 ? pickInBrowser(kind, limit) : pickInMiniProgram(kind, limit)
}
