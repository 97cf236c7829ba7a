import { API_BASE, freshToken } from '@/api/client'
import { ApiError, problemFrom } from '@/api/problem'
import type { FileRef } from '@/api/types'
import { zh } from '@/strings'
import { isH5 } from '.'

/** Something that the person picked: a browser file, or a path of the platform. */
export interface Picked {
  name: string
  size: number
  /** Address for a preview. */
  preview: string
  file: File | null
  path: string
}

export type Purpose = 'message' | 'intake' | 'proof' | 'avatar' | 'certificate' | 'signature'

export interface Upload {
  done: Promise<FileRef>
  abort: () => void
}

/** Sends one file; `progress` gets shares from 0 to 1. An expired token is renewed once. */
export function upload(
  picked: Picked,
  purpose: Purpose,
  progress: (share: number) => void = () => undefined,
): Upload {
  let stop: () => void = () => undefined
  let aborted = false

  const attempt = async (rejected: string | null): Promise<FileRef> => {
    const token = await freshToken(rejected)
    if (aborted) throw new ApiError('aborted', '')
    const { status, body } = await sendOnce(picked, purpose, token, progress, (abort) => {
      stop = abort
    })
    if (status === 201 || status === 200) return body as FileRef
    if (status === 401 && rejected === null && token) return attempt(token)
    throw problemFrom(status, body)
  }

  return {
    done: attempt(null),
    abort: () => {
      aborted = true
      stop()
    },
  }
}

function sendOnce(
  picked: Picked,
  purpose: Purpose,
  token: string | null,
  progress: (share: number) => void,
  abortable: (abort: () => void) => void,
): Promise<{ status: number; body: unknown }> {
  return isH5
    ? sendFromBrowser(picked, purpose, token, progress, abortable)
    : sendFromMiniProgram(picked, purpose, token, progress, abortable)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function sendFromBrowser(
  picked: Picked,
  purpose: Purpose,
  token: string | null,
  progress: (share: number) => void,
  abortable: (abort: () => void) => void,
): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    abortable(() => request.abort())
    request.open('POST', `${API_BASE}/files`)
    if (token) request.setRequestHeader('Authorization', `Bearer ${token}`)
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total)
    }
    request.onload = () => resolve({ status: request.status, body: parse(request.responseText) })
    request.onerror = () => reject(new ApiError('offline', zh.common.offline))
    request.onabort = () => reject(new ApiError('aborted', ''))
    const form = new FormData()
    form.append('purpose', purpose)
    if (picked.file) form.append('file', picked.file, picked.name)
    request.send(form)
  })
}

function sendFromMiniProgram(
  picked: Picked,
  purpose: Purpose,
  token: string | null,
  progress: (share: number) => void,
  abortable: (abort: () => void) => void,
): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const task = uni.uploadFile({
      url: `${API_BASE}/files`,
      filePath: picked.path,
      name: 'file',
      formData: { purpose },
      header: token ? { Authorization: `Bearer ${token}` } : {},
      success: (answer) => resolve({ status: answer.statusCode, body: parse(answer.data) }),
      fail: () => reject(new ApiError('offline', zh.common.offline)),
    })
    abortable(() => task.abort())
    task.onProgressUpdate((update) => progress(update.progress / 100))
  })
}
