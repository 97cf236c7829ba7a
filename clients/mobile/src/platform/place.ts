import { zh } from '@/strings'
import { isH5 } from '.'

/** Where the device is: WGS 84, degrees. */
export interface Place {
  lat: number
  lng: number
}

const WAIT_MS = 15_000
const DIGITS = 6

/** @throws Error with a sentence for the screen. */
export function whereAmI(): Promise<Place> {
  return isH5 ? inBrowser() : inMiniProgram()
}

const rounded = (lat: number, lng: number): Place => ({
  lat: Number(lat.toFixed(DIGITS)),
  lng: Number(lng.toFixed(DIGITS)),
})

function inBrowser(): Promise<Place> {
  const device = navigator.geolocation as Geolocation | undefined
  if (!device || !window.isSecureContext) return Promise.reject(new Error(zh.room.placeUnsupported))
  return new Promise((resolve, reject) => {
    device.getCurrentPosition(
      ({ coords }) => resolve(rounded(coords.latitude, coords.longitude)),
      (problem) =>
        reject(new Error(problem.code === 1 ? zh.room.placeDenied : zh.room.placeUnknown)),
      { enableHighAccuracy: true, timeout: WAIT_MS, maximumAge: 60_000 },
    )
  })
}

function inMiniProgram(): Promise<Place> {
  return new Promise((resolve, reject) => {
    uni.getLocation({
      type: 'wgs84',
      success: ({ latitude, longitude }) => resolve(rounded(latitude, longitude)),
      fail: () => reject(new Error(zh.room.placeDenied)),
    })
  })
}

/** 30.250000°N, 120.160000°E. */
export function placeText({ lat, lng }: Place): string {
  const side = (value: number, positive: string, negative: string): string =>
    `${Math.abs(value).toFixed(DIGITS)}°${value < 0 ? negative : positive}`
  return `${side(lat, 'N', 'S')}, ${side(lng, 'E', 'W')}`
}
