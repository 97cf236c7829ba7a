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

export const NativeVideo = defineComponent({
  name: 'NativeVideo',
  props: {
    stream: { type: Object as PropType<MediaStream | null>, default: null },
    muted: { type: Boolean, default: false },
    /** Device id of the speaker; empty: the system's. */
    sink: { type: String, default: '' },
  },
  setup(props, { attrs }) {
    const attach = (found: unknown): void => {
      const video = found as HTMLVideoElement | null
      if (!video) return
      video.muted = props.muted
      const output = video as HTMLVideoElement & {
        setSinkId?: (id: string) => Promise<void>
        sinkId?: string
      }
      if (output.setSinkId && (output.sinkId ?? '') !== props.sink) {
        void output.setSinkId(props.sink).catch(() => undefined)
      }
      const { stream } = props
      if (video.srcObject !== stream) {
        video.srcObject = stream
        if (stream) void video.play().catch(() => undefined)
      }
    }
    return () => h('video', mergeProps(attrs, { playsinline: true, autoplay: true, ref: attach }))
  },
})

/** A player for a stored video file. */
export const NativePlayer = defineComponent({
  name: 'NativePlayer',
  setup(_, { attrs }) {
    return () => h('video', mergeProps({ playsinline: true, controls: true }, attrs))
  },
})
