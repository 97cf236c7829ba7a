/** Why the microphone or the camera cannot be used. Each state has one sentence on screen and one way out. */
export type MediaProblem =
  /** The user or the browser said no. */
  | "permission_denied"
  /** There is none, or it was unplugged. */
  | "no_device"
  /** Another program holds it. */
  | "device_busy"
  /** The chosen device or size does not exist. */
  | "not_available"
  /** The page is not served over HTTPS. */
  | "insecure_page"
  /** This browser cannot do calls. */
  | "unsupported"
  | "unknown";

export const MEDIA_PROBLEM_TEXT: Record<MediaProblem, string> = {
  permission_denied: "没有使用权限。请在浏览器地址栏左侧允许摄像头和麦克风，再重试",
  no_device: "没有找到设备。请检查是否已连接",
  device_busy: "设备正被其他程序占用。请关闭其他通话软件后重试",
  not_available: "所选设备不可用，请换一个设备",
  insecure_page: "当前页面不是安全连接（HTTPS），浏览器不允许使用摄像头和麦克风",
  unsupported: "这个浏览器不支持音视频通话，请换用新版浏览器",
  unknown: "设备打不开，请重试",
};

export class MediaError extends Error {
  constructor(
    readonly problem: MediaProblem,
    readonly device: "microphone" | "camera" | "screen",
  ) {
    // Of a screen the user says no by picking none.
    const unpicked = device === "screen" && problem === "permission_denied";
    super(unpicked ? "没有选择要共享的内容" : MEDIA_PROBLEM_TEXT[problem]);
    this.name = "MediaError";
  }
}

export interface DeviceList {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
}

export interface DeviceChoice {
  microphone: string | null;
  camera: string | null;
  speaker: string | null;
}

/** What the call needs from the browser. Tests bring their own. */
export interface MediaPort {
  microphone(deviceId: string | null): Promise<MediaStreamTrack>;
  camera(deviceId: string | null, facing: "user" | "environment"): Promise<MediaStreamTrack>;
  /** The screen, or a window, that the user picks. */
  screen(): Promise<MediaStreamTrack>;
  devices(): Promise<DeviceList>;
  onDeviceChange(listener: () => void): () => void;
  /** The device is on another network, or on one again. */
  onNetworkChange(listener: () => void): () => void;
  peerConnection(configuration: RTCConfiguration): RTCPeerConnection;
}

export function browserMedia(): MediaPort {
  const devices = (kind: MediaError["device"]): MediaDevices => {
    const found = (globalThis.navigator as Navigator | undefined)?.mediaDevices;
    if (found) return found;
    const insecure = (globalThis as { isSecureContext?: boolean }).isSecureContext === false;
    throw new MediaError(insecure ? "insecure_page" : "unsupported", kind);
  };
  const open = async (
    kind: "microphone" | "camera",
    constraints: MediaStreamConstraints,
  ): Promise<MediaStreamTrack> => {
    let stream: MediaStream;
    try {
      stream = await devices(kind).getUserMedia(constraints);
    } catch (error) {
      throw error instanceof MediaError ? error : new MediaError(mediaProblem(error), kind);
    }
    const track = stream.getTracks()[0];
    if (!track) throw new MediaError("no_device", kind);
    return track;
  };

  return {
    microphone: (deviceId) =>
      open("microphone", {
        audio: {
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
          channelCount: 1,
          ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
        },
      }),
    camera: (deviceId, facing) =>
      open("camera", {
        video: {
          width: { ideal: 1280 },
          height: { ideal: 720 },
          frameRate: { ideal: 25, max: 30 },
          ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: facing }),
        },
      }),
    screen: async () => {
      const found = devices("screen");
      // Phones cannot share what they show.
      if (!("getDisplayMedia" in found)) throw new MediaError("unsupported", "screen");
      let stream: MediaStream;
      try {
        stream = await found.getDisplayMedia({
          video: {
            width: { max: 2560 },
            height: { max: 1440 },
            frameRate: { ideal: 10, max: 15 },
          },
          audio: false,
        });
      } catch (error) {
        throw new MediaError(mediaProblem(error), "screen");
      }
      const track = stream.getVideoTracks()[0];
      if (!track) throw new MediaError("no_device", "screen");
      // Text has to be sharp; that it moves smoothly matters less.
      track.contentHint = "detail";
      return track;
    },
    devices: async () => {
      const all = await devices("microphone").enumerateDevices();
      const of = (kind: MediaDeviceKind) => all.filter((device) => device.kind === kind);
      return {
        microphones: of("audioinput"),
        cameras: of("videoinput"),
        speakers: of("audiooutput"),
      };
    },
    onDeviceChange: (listener) => {
      const media = (globalThis.navigator as Navigator | undefined)?.mediaDevices;
      media?.addEventListener?.("devicechange", listener);
      return () => media?.removeEventListener?.("devicechange", listener);
    },
    onNetworkChange: watchNetwork,
    peerConnection: (configuration) => new RTCPeerConnection(configuration),
  };
}

interface NetworkInformation extends EventTarget {
  /** `wifi`, `cellular`, ...; unknown to browsers on computers. */
  readonly type?: string;
}

function watchNetwork(listener: () => void): () => void {
  const page = globalThis as Partial<Pick<Window, "addEventListener" | "removeEventListener">>;
  const network = (globalThis.navigator as { connection?: NetworkInformation } | undefined)
    ?.connection;
  let type = network?.type;
  const changed = () => {
    // Every new estimate of the bandwidth is a change as well; only another kind of network counts.
    if (network?.type === type) return;
    type = network?.type;
    if (type !== "none") listener();
  };
  page.addEventListener?.("online", listener);
  network?.addEventListener?.("change", changed);
  return () => {
    page.removeEventListener?.("online", listener);
    network?.removeEventListener?.("change", changed);
  };
}

/** The name of a getUserMedia failure (Media Capture and Streams, section 10.2) as a state. */
export function mediaProblem(error: unknown): MediaProblem {
  switch ((error as { name?: unknown } | null)?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "permission_denied";
    case "NotFoundError":
      return "no_device";
    case "NotReadableError":
    case "AbortError":
      return "device_busy";
    case "OverconstrainedError":
      return "not_available";
    case "TypeError":
      return "unsupported";
    default:
      return "unknown";
  }
}
