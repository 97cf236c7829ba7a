import {
  patiently,
  RESUMABLE_FROM,
  ResumableUpload,
  UploadCancelled,
  UploadRefused,
  type UploadAnswer,
  type UploadPort,
  type UploadProgress,
  type UploadRequest,
} from '@realtime'
import { API_BASE, freshToken } from '@/api/client'
import { ApiError, problemFrom } from '@/api/problem'
import type { FileRef } from '@/api/types'
import { zh } from '@/strings'
import { isH5, PLATFORM } from '.'
import { upload, type Picked, type Purpose } from './upload'

/** An upload that waits for the network. `run` may be called again after a failure. */
export interface PatientUpload {
  run(progress: UploadProgress): Promise<FileRef>
  cancel(): void
}

const SMALL_PAUSE_MS = 4000

/** Large files go in pieces that survive a broken connection, small ones in one request. */
export function uploadOf(picked: Picked, purpose: Purpose): PatientUpload {
  // Alipay's mini-programs cannot read a part of a file.
  const inParts = PLATFORM !== 'mp-alipay' && picked.size >= RESUMABLE_FROM
  return inParts ? inPieces(picked, purpose) : atOnce(picked, purpose)
}

function inPieces(picked: Picked, purpose: Purpose): PatientUpload {
  const read = (start: number, end: number): Promise<ArrayBuffer> =>
    picked.file ? picked.file.slice(start, end).arrayBuffer() : readPart(picked.path, start, end)
  const one = new ResumableUpload(port, { name: picked.name, size: picked.size, read }, purpose)
  return {
    cancel: () => one.cancel(),
    run: async (progress) => {
      try {
        return await one.run(progress)
      } catch (error) {
        if (error instanceof UploadRefused) throw problemFrom(error.status, error.body)
        throw error
      }
    },
  }
}

function atOnce(picked: Picked, purpose: Purpose): PatientUpload {
  let stop: () => void = () => undefined
  let cancelled = false
  const attempt = (progress: UploadProgress): Promise<FileRef> => {
    if (cancelled) return Promise.reject(new UploadCancelled())
    const running = upload(picked, purpose, (share) =>
      progress(share, share < 1 ? 'uploading' : 'processing'),
    )
    stop = running.abort
    return running.done
  }
  return {
    cancel: () => {
      cancelled = true
      stop()
    },
    run: (progress) =>
      patiently(
        () => attempt(progress),
        (error) => error instanceof ApiError && error.code === 'offline' && !cancelled,
        () => {
          progress(0, 'waiting')
          return pause(SMALL_PAUSE_MS)
        },
      ),
  }
}

/** Resolves after a while, or as soon as the device says that it has a network again. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const back = (change: { isConnected: boolean }): void => {
      if (change.isConnected) done()
    }
    const done = (): void => {
      clearTimeout(timer)
      uni.offNetworkStatusChange(back)
      resolve()
    }
    const timer = setTimeout(done, ms)
    uni.onNetworkStatusChange(back)
  })
}

function readPart(path: string, start: number, end: number): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    uni.getFileSystemManager().readFile({
      filePath: path,
      position: start,
      length: end - start,
      success: (found: { data: string | ArrayBuffer }) => resolve(found.data as ArrayBuffer),
      fail: () => reject(new UploadRefused(422, { title: zh.room.fileGone })),
    } as UniApp.ReadFileOption)
  })
}

const port: UploadPort = {
  pause,
  request: async (request) => {
    const token = await freshToken(null)
    const answer = await send(request, token)
    if (answer.status !== 401 || !token) return answer
    // Without a session this is refused once more, and the upload ends.
    return send(request, await freshToken(token))
  },
}

function send(request: UploadRequest, token: string | null): Promise<UploadAnswer> {
  return isH5 ? sendFromBrowser(request, token) : sendFromMiniProgram(request, token)
}

function offline(): ApiError {
  return new ApiError('offline', zh.common.offline)
}

function sendFromBrowser(asked: UploadRequest, token: string | null): Promise<UploadAnswer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    asked.abortable?.(() => request.abort())
    request.open(asked.method, API_BASE + asked.path)
    if (token) request.setRequestHeader('Authorization', `Bearer ${token}`)
    for (const [name, value] of Object.entries(asked.headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => asked.sent?.(event.loaded)
    request.onload = () => resolve({ status: request.status, body: parsed(request.responseText) })
    request.onerror = () => reject(offline())
    request.onabort = () => reject(offline())
    request.send(asked.body)
  })
}

function sendFromMiniProgram(asked: UploadRequest, token: string | null): Promise<UploadAnswer> {
  return new Promise((resolve, reject) => {
    const task = uni.request({
      url: API_BASE + asked.path,
      // Mini-programs cannot send PATCH; the server takes POST at the same address.
      method: asked.method === 'PATCH' ? 'POST' : asked.method,
      header: { ...asked.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) },
      data: asked.body ?? '',
      timeout: 120_000,
      success: (answer) => {
        asked.sent?.(asked.body?.byteLength ?? 0)
        resolve({ status: answer.statusCode, body: answer.data })
      },
      fail: () => reject(offline()),
    })
    asked.abortable?.(() => task.abort())
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's page, or nothing at all: the status says enough.
    return null
  }
}
