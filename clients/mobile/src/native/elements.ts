import { playing } from './playing'
import { defineComponent, h, mergeProps, type PropType } from 'vue'

/**
 * Real form elements for the web: uni-app's own are styled wrappers without keyboard or label
 * support. Render functions reach the native elements, templates would get the wrappers.
 */
export const NativeButton = defineComponent({
  name: 'NativeButton',
  setup(_, { attrs, slots }) {
    return () => h('button', mergeProps({ type: 'button' }, attrs), slots.default?.())
  },
})

export const NativeInput = defineComponent({
  name: 'NativeInput',
  props: { value: { type: String, default: '' } },
  setup(props, { attrs, expose }) {
    let element: HTMLInputElement | null = null
    expose({ focus: () => element?.focus() })
    return () =>
      h(
        'input',
        mergeProps(attrs, {
          value: props.value,
          ref: (found: unknown) => (element = found as HTMLInputElement | null),
        }),
      )
  },
})

export const NativeTextarea = defineComponent({
  name: 'NativeTextarea',
  props: { value: { type: String, default: '' } },
  setup(props, { attrs, expose }) {
    let element: HTMLTextAreaElement | null = null
    expose({
      focus: () => element?.focus(),
      element: () => element,
    })
    return () =>
      h(
        'textarea',
        mergeProps(attrs, {
          value: props.value,
          ref: (found: unknown) => (element = found as HTMLTextAreaElement | null),
        }),
      )
  },
})

/** The speaker is chosen per element; not every browser can. */
interface Sink {
  setSinkId?: (id: string) => Promise<void>
  sinkId?: string
}

function streamElement(name: string, tag: 'audio' | 'video') {
  return defineComponent({
    name,
    props: {
      stream: { type: Object as PropType<MediaStream | null>, default: null },
      muted: { type: Boolean, default: false },
      /** Device id of the speaker; empty: the system's. */
      sink: { type: String, default: '' },
    },
    setup(props, { attrs }) {
      let current: HTMLMediaElement | null = null
      const attach = (found: unknown): void => {
        const element = found as (HTMLMediaElement & Sink) | null
        if (!element) {
          if (current) playing.forget(current)
          current = null
          return
        }
        current = element
        element.muted = props.muted
        if (element.setSinkId && (element.sinkId ?? '') !== props.sink) {
          void element.setSinkId(props.sink).catch(() => undefined)
        }
        if (element.srcObject !== props.stream) {
          element.srcObject = props.stream
          if (props.stream) void playing.start(element)
        }
      }
      return () => h(tag, mergeProps(attrs, { playsinline: true, autoplay: true, ref: attach }))
    },
  })
}

/** A live picture. */
export const NativeVideo = streamElement('NativeVideo', 'video')
/** Live sound, apart from the picture: a video element stays silent until its first frame. */
export const NativeAudio = streamElement('NativeAudio', 'audio')

/** A player for a stored video file. */
export const NativePlayer = defineComponent({
  name: 'NativePlayer',
  setup(_, { attrs }) {
    return () => h('video', mergeProps({ playsinline: true, controls: true }, attrs))
  },
})

/** A drawing surface: uni-app's own canvas has another interface. */
export const NativeCanvas = defineComponent({
  name: 'NativeCanvas',
  setup(_, { attrs }) {
    return () => h('canvas', attrs)
  },
})
