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
