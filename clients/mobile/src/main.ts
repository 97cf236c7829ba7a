import { createPinia } from 'pinia'
import { createSSRApp } from 'vue'
import App from './App.vue'
// #ifdef H5
import { mountOverlay } from './native/overlay'
// #endif

export function createApp() {
  const app = createSSRApp(App)
  const pinia = createPinia()
  app.use(pinia)
  // #ifdef H5
  mountOverlay(pinia)
  // #endif
  return { app }
}
