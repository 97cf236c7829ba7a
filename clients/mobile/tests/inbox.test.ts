import { describe, expect, it } from 'vitest'
import type { InboxItem } from '@/api/types'
import { clockOf, iconOf, minutesOf, placeOf } from '@/logic/inbox'

const item = (type: string, id = 'x', code = 'refund'): InboxItem => ({
  id: 1,
  type: code,
  title: '',
  text: '',
  ref: { type, id },
  at: '2026-11-20T01:00:00Z',
  read: false,
  category: 'payment',
})

describe('a tap on a message', () => {
  it('opens the page of its subject', async () => {
    expect(await placeOf(item('order', 'o1'), false)).toEqual({
      path: '/pages/orders/detail',
      query: { id: 'o1' },
    })
    expect((await placeOf(item('notice_message', 'm1'), true))?.path).toBe('/pages/messages/detail')
    expect((await placeOf(item('signing'), true))?.path).toBe('/clinician/signature/index')
    expect(await placeOf(item('room', 'r1'), true)).toEqual({
      path: '/pages/room/index',
      query: { room: 'r1' },
    })
  })

  it('stays where it is when there is nothing to open for this person', async () => {
    expect(await placeOf(item('signing'), false)).toBeNull()
    expect(await placeOf(item('unheard-of'), false)).toBeNull()
    expect(await placeOf({ ...item('order'), ref: null }, false)).toBeNull()
  })
})

describe('what is shown', () => {
  it('has an icon by category, and money that came back its own', () => {
    expect(iconOf(item('order'))).toBe('undo')
    expect(iconOf({ ...item('order', 'x', 'other'), category: 'critical' })).toBe('alert')
    expect(iconOf({ ...item('order', 'x', 'other'), category: 'new-one' })).toBe('bell')
  })

  it('keeps minutes of the day through a clock and back', () => {
    for (const minutes of [0, 61, 1439]) expect(minutesOf(clockOf(minutes))).toBe(minutes)
  })
})
