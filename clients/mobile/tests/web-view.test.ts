import { describe, expect, it, vi } from 'vitest'

vi.mock('@/api', () => ({ auth: {} }))
vi.mock('@/platform', () => ({ serverOrigin: () => '', isH5: true }))
const { landingAddress, ownPage } = await import('@/platform/web-view')

describe('the way from the mini-program into its web view', () => {
  it('carries the code in the fragment alone', () => {
    const address = new URL(
      landingAddress('https://hospital.example', 'a+b', '/pages/room/index?room=1'),
    )
    expect(address.pathname + address.search).toBe('/m/')
    const query = new URLSearchParams(address.hash.split('?')[1])
    expect(query.get('code')).toBe('a+b')
    expect(query.get('next')).toBe('/pages/room/index?room=1')
  })

  it('leads to pages of our own and nowhere else', () => {
    expect(ownPage('/pages/room/index?room=1')).toBe('/pages/room/index?room=1')
    expect(ownPage('/clinician/reception/index')).toBe('/clinician/reception/index')
    expect(ownPage('https://elsewhere.example/pages/room/index')).toBe('')
    expect(ownPage('//elsewhere.example/pages/room/index')).toBe('')
    expect(ownPage('/pages/room/index#/pages/login/index')).toBe('')
  })
})
