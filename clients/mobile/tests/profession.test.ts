import type { RoomMember, RoomView } from '@realtime'
import { describe, expect, it } from 'vitest'
import type { Role } from '@/api/types'
import { calledBy, worded } from '@/logic/profession'
import { statusOf } from '@/room/status'
import { zh } from '@/strings'

const talk = (role: Role): RoomView =>
  ({
    kind: 'consultation',
    state: 'active',
    lead_id: 'lead',
    members: [{ user_id: 'lead', role, state: 'joined' } as RoomMember],
    me: { user_id: 'me', may_send: true },
  }) as unknown as RoomView

const asked = (role: Role) =>
  statusOf({
    talk: talk(role),
    view: null,
    closed: false,
    guest: true,
    clinician: true,
    kind: null,
    present: 3,
  })

describe('who leads', () => {
  it('is named to a colleague who was asked in', () => {
    expect(asked('nurse')).toBe('您受邀加入，由主诊护士负责')
    expect(asked('pharmacist')).toBe('您受邀加入，由主诊药师负责')
    expect(asked('doctor')).toBe('您受邀加入，由主诊医生负责')
  })

  it('is named where a consultation is handed over, called and given up', () => {
    expect(calledBy('pharmacist', zh.members.handOverText)).toBe(
      '由本科室的药师继续接诊，患者会收到通知',
    )
    expect(worded('medication', zh.booking.calledText)).toBe('药师正在等您，请进入诊间。')
    expect(worded('nursing', zh.intake.closed)).toBe(
      '护士暂未开通这种问诊方式，请换一位护士或换一种方式',
    )
  })

  it('need not be named where money and consent are spoken of', () => {
    for (const text of [zh.intake.refundRule, zh.intake.recordingRefused, zh.call.refusedRing]) {
      expect(text).not.toContain(zh.roles.doctor)
    }
  })
})
