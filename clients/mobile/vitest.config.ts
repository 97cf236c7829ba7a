import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Far from the hospital: what is shown must not hang on where the device is.
process.env['TZ'] = 'America/New_York'

export default defineConfig({
  resolve: {
    alias: {
      '@realtime': fileURLToPath(new URL('../realtime/src', import.meta.url)),
      '@design': fileURLToPath(new URL('../design', import.meta.url)),
      '@': fileURLToPath(new URL('./src', import.meta.url)),
    },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
