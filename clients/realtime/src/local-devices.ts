import type { LocalTracks } from "./call-session";
import { MediaError, type DeviceChoice, type MediaPort } from "./media";

type Device = "microphone" | "camera";
const KIND = { microphone: "audio", camera: "video", screen: "screen" } as const;

/** Our own microphone, camera and shared screen: opened, chosen, stopped, and noticed when they disappear. */
export class LocalDevices {
  tracks: LocalTracks = { audio: null, video: null, screen: null };
  choice: DeviceChoice = { microphone: null, camera: null, speaker: null };
  /** One stream object for as long as its tracks stay the same. */
  stream: MediaStream | null = null;

  constructor(
    private readonly media: MediaPort,
    /** The device was unplugged or taken away by the system. */
    private readonly lost: (device: Device, problem: MediaError) => void,
  ) {}

  /**
   * Opens a device that is not open; returns why it could not be. `wanted` is asked again after the browser
   * asked for permission.
   */
  async open(
    device: Device,
    facing: "user" | "environment",
    wanted: () => boolean,
  ): Promise<MediaError | null> {
    let track: MediaStreamTrack;
    try {
      track =
        device === "microphone"
          ? await this.media.microphone(this.choice.microphone)
          : await this.media.camera(this.choice.camera, facing);
    } catch (error) {
      return error instanceof MediaError ? error : new MediaError("unknown", device);
    }
    if (!wanted()) {
      track.stop();
      return null;
    }
    track.onended = () => {
      this.put(device, null);
      this.lost(device, new MediaError("no_device", device));
    };
    this.put(device, track);
    return null;
  }

  /** Asks for a screen; `ended` hears when the user stops it in the browser's own bar. */
  async openScreen(ended: () => void): Promise<void> {
    const track = await this.media.screen();
    track.onended = () => {
      this.put("screen", null);
      ended();
    };
    this.put("screen", track);
  }

  stop(device: Device | "screen"): void {
    const track = this.tracks[KIND[device]];
    if (!track) return;
    track.onended = null;
    track.stop();
    this.put(device, null);
  }

  private put(device: Device | "screen", track: MediaStreamTrack | null): void {
    this.tracks = { ...this.tracks, [KIND[device]]: track };
    const open: MediaStreamTrack[] = [];
    if (this.tracks.audio) open.push(this.tracks.audio);
    if (this.tracks.video) open.push(this.tracks.video);
    this.stream = open.length > 0 ? new MediaStream(open) : null;
  }
}
