export const check = {
  check: {
    title: '通话检测',
    row: '通话检测',
    rowText: '接诊前试一试摄像头、麦克风和网络',
    before: '检测大约需要十秒',
    beforeText: '会用到摄像头和麦克风，不录音、不录像，画面只有您自己看得到。',
    allow: '手机询问是否允许时，请选“允许”。',
    start: '开始检测',
    again: '重新检测',
    parts: { camera: '摄像头', microphone: '麦克风', speaker: '扬声器', network: '网络' },
    states: {
      waiting: '等待检测',
      running: '正在检测',
      ask: '请您操作',
      good: '正常',
      warn: '请留意',
      bad: '有问题',
    },
    own: '您的画面',
    noPicture: '没有画面',
    level: '麦克风音量',
    play: '播放声音',
    playAgain: '再播放一次',
    heard: '听到了',
    notHeard: '没听到',
    figures: (rtt: number | null, loss: number | null) =>
      [
        rtt === null ? '' : `往返 ${rtt} 毫秒`,
        loss === null ? '' : `丢包 ${(loss * 100).toFixed(loss < 0.01 && loss > 0 ? 1 : 0)}%`,
      ]
        .filter(Boolean)
        .join(' · '),
    verdicts: {
      video: '可以视频通话',
      voice: '可以语音通话，对方看不到您的画面',
      none: '现在还不能通话，请按上面的提示处理',
    },
    inCall: '正在通话，通话结束后再检测',
    copyLink: '复制链接',
    copied: '已复制，打开浏览器，粘贴到地址栏',
    opening: '正在打开',
    useText: '用文字沟通',
    comeAgain: '请回到小程序再打开一次',
  },
}
