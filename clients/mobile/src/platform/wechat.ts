import { isH5 } from '@/platform'
import { ApiError } from '@/api/problem'

/** The login code of the WeChat mini-program that the app runs in. */
export function wechatCode(): Promise<string> {
  return new Promise((resolve, reject) => {
    uni.login({
      provider: 'weixin',
      success: (answer) => resolve(answer.code),
      fail: () => reject(new ApiError('wechat_failed', '微信登录没有成功，请重试')),
    })
  })
}

/** Only the mini-program of WeChat can ask for subscriptions. */
export const canSubscribe = typeof uni.requestSubscribeMessage === 'function' && !isH5

/** Asks the person to take one message of each template; whether any was accepted. */
export function subscribe(templates: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    uni.requestSubscribeMessage({
      tmplIds: templates,
      success: (answer) => {
        const given = answer as unknown as Record<string, string>
        resolve(templates.some((one) => given[one] === 'accept'))
      },
      fail: () => resolve(false),
    })
  })
}
