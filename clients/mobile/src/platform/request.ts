import type { Transport } from '@/api/http'
import { ApiError } from '@/api/problem'
import { zh } from '@/strings'

/** One request through the platform; answers of any status resolve. */
export const uniTransport: Transport = (request) =>
  new Promise((resolve, reject) => {
    let method = request.method
    let header = request.headers
    // #ifdef MP
    // Mini-programs have no PATCH; the server takes the header for it.
    if (method === 'PATCH') {
      method = 'POST'
      header = { ...header, 'X-HTTP-Method-Override': 'PATCH' }
    }
    // #endif
    uni.request({
      url: request.url,
      method: method as UniApp.RequestOptions['method'],
      header,
      data: request.body as UniApp.RequestOptions['data'],
      dataType: 'json',
      timeout: 20_000,
      success: (answer) => resolve({ status: answer.statusCode, body: answer.data }),
      fail: (failure) => {
        const text = String(failure?.errMsg ?? '')
        const timeout = text.includes('timeout')
        reject(
          new ApiError(
            timeout ? 'timeout' : 'offline',
            timeout ? zh.common.timeout : zh.common.offline,
          ),
        )
      },
    })
  })
