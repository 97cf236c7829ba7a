import type { InjectionKey, Ref } from 'vue'

/** The room whose messages are shown; empty before it is known. */
export const ROOM_ID: InjectionKey<Ref<string>> = Symbol('room')
