/** Why calls cannot be made in this browser. */
export type NoCalls =
  /** The page came without HTTPS. */
  | "insecure_page"
  /** An app's built-in browser without camera and microphone. */
  | "built_in_browser"
  /** A browser, or a version of it, without WebRTC. */
  | "old_browser";

export interface WayOut {
  reason: NoCalls;
  title: string;
  /** What to do, most helpful first. */
  steps: readonly string[];
}

/** What of the browser decides. */
export interface BrowserFacts {
  userAgent: string;
  secure: boolean;
  capture: boolean;
  peerConnection: boolean;
}

export function browserFacts(): BrowserFacts {
  const scope = globalThis as {
    isSecureContext?: boolean;
    RTCPeerConnection?: unknown;
    navigator?: Navigator;
  };
  const { mediaDevices } = (scope.navigator ?? {}) as Partial<Navigator>;
  return {
    userAgent: scope.navigator?.userAgent ?? "",
    secure: scope.isSecureContext !== false,
    capture: typeof mediaDevices?.getUserMedia === "function",
    peerConnection: typeof scope.RTCPeerConnection === "function",
  };
}

/** Apps that show pages in a browser of their own, by what they add to the user agent. */
const BUILT_IN: readonly [RegExp, string][] = [
  [/MicroMessenger/i, "微信"],
  [/AlipayClient/i, "支付宝"],
  [/DingTalk/i, "钉钉"],
  [/\bQQ\//i, "QQ"],
  [/Weibo/i, "微博"],
];
const OTHER_WAYS = "也可以用文字和图片继续沟通，或请医院打电话联系您";

/** Null when calls can be made here; else why not and the way out. */
export function callProblem(facts: BrowserFacts = browserFacts()): WayOut | null {
  if (facts.capture && facts.peerConnection) return null;
  const apple = /iPhone|iPad/.test(facts.userAgent);
  const own = apple ? "Safari 浏览器" : "Chrome、Edge 或手机自带的浏览器";
  if (!facts.secure && facts.peerConnection) {
    return {
      reason: "insecure_page",
      title: "这个页面不是安全连接，不能使用摄像头和麦克风",
      steps: ["请用 https 开头的网址重新打开本页", OTHER_WAYS],
    };
  }
  const app = BUILT_IN.find(([mark]) => mark.test(facts.userAgent))?.[1];
  if (app) {
    return {
      reason: "built_in_browser",
      title: `这个版本的${app}里不能音视频通话`,
      steps: [
        `点右上角“…”，选择“在浏览器打开”；没有这一项时，请复制链接，用${own}打开`,
        `也可以把${app}和手机系统更新到最新版再试`,
        OTHER_WAYS,
      ],
    };
  }
  return {
    reason: "old_browser",
    title: "这个浏览器不能音视频通话",
    steps: [
      `请复制链接，用${own}打开`,
      apple ? "需要 iOS 14.3 或更新的系统" : "电脑上可用新版 Chrome、Edge、Firefox 或 Safari",
      OTHER_WAYS,
    ],
  };
}
