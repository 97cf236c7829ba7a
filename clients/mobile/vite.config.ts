import { fileURLToPath } from 'node:url'
import uniPlugin from '@dcloudio/vite-plugin-uni'
import { defineConfig, type Plugin } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// The plugin is CommonJS: its default export sits one level deeper under ESM.
const uni = ((uniPlugin as unknown as { default?: typeof uniPlugin }).default ??
  uniPlugin) as typeof uniPlugin

/** uni-app's own style sheet fetches a shadow picture from its vendor: nothing here leaves the house. */
const nothingFromOutside: Plugin = {
  name: 'nothing-from-outside',
  enforce: 'post',
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== 'asset' || !file.fileName.endsWith('.css')) continue
      file.source = String(file.source).replace(/url\(https?:[^)]*\)/g, 'none')
    }
  },
}

const miniProgram = (process.env.UNI_PLATFORM ?? 'h5').startsWith('mp-')

export default defineConfig({
  plugins: [uni(), nothingFromOutside],
  // Mini-program runtimes have no `self`, which Socket.IO's client asks for.
  define: miniProgram ? { self: 'globalThis' } : {},
  resolve: {
    alias: {
      '@': here('./src'),
      '@realtime': here('../realtime/src'),
      '@design': here('../design'),
      'socket.io-client': here('./node_modules/socket.io-client'),
    },
  },
  server: {
    proxy: {
      '/api': process.env.ZHENJIAN_ORIGIN ?? 'http://127.0.0.1:8000',
      '/socket.io': { target: process.env.ZHENJIAN_ORIGIN ?? 'http://127.0.0.1:8000', ws: true },
    },
  },
})
