export const recordings = {
  recordings: {
    title: '通话录像',
    none: '没有录像',
    noneText: '这次问诊没有音视频通话',
    states: {
      recording: '正在录制',
      processing: '正在合成，请稍后再来',
      ready: '',
      failed: '没有可以播放的画面',
    },
    notes: {
      take_missing: '有一段没有找到，画面可能不完整',
      damaged: '有一段损坏，没有画面和声音',
      no_room: '有一段因空间不足没有录下来',
      nothing_recorded: '没有录到画面和声音',
      composition_failed: '合成失败，请联系医院',
    } as Record<string, string>,
    play: (time: string) => `播放 ${time} 的录像`,
    speed: '速度',
    chapters: '经过',
    chat: '通话中的聊天',
    jump: (time: string) => `从 ${time} 开始播放`,
    broken: '播放中断，请重试',
    length: (time: string) => `时长 ${time}`,
  },
  speech: {
    ask: '转文字',
    waiting: '正在转文字',
    failed: '没有转成，再试一次',
    silent: '没有听到说话',
  },
}
