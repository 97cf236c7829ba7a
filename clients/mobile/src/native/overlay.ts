import type { Pinia } from 'pinia'
import { createApp } from 'vue'
import OverlayRoot from './OverlayRoot.vue'

/**
 * On the web, what lies over every page (questions, notices, calls) is an application of its own
 * beside uni-app's pages: it outlives every change of page, so a call's picture never restarts.
 */
export function mountOverlay(pinia: Pinia): void {
  const place = document.createElement('div')
  place.id = 'overlay'
  document.body.appendChild(place)
  createApp(OverlayRoot).use(pinia).mount(place)
}
