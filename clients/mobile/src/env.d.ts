/// <reference types="vite/client" />

declare module '*.vue' {
  import type { DefineComponent } from 'vue'
  const component: DefineComponent<object, object, unknown>
  export default component
}

interface ImportMetaEnv {
  /** Origin of the server for mini-programs, which have no page address of their own. */
  readonly VITE_ZHENJIAN_ORIGIN?: string
}

/** Folded by the compiler into the name of the platform. */
declare const process: { readonly env: { readonly UNI_PLATFORM?: string } }
