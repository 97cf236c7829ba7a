import type { LiveStatus } from "./call-status";
import type { LocalTracks } from "./call-session";
import { asRealtimeError, RealtimeError } from "./errors";
import { LocalDevices } from "./local-devices";
import type { DeviceChoice, DeviceList, MediaError, MediaPort } from "./media";
import type { CallSignalling } from "./call-types";
import type { CallMedia } from "./types";

export interface OwnHandlers {
  /** Puts what is open now on the lines. */
  publish(): Promise<void>;
  local(stream: MediaStream | null): void;
  devices(list: DeviceList): void;
  problem(problem: RealtimeError | MediaError): void;
}

/** What we send: microphone, camera and screen, and what the server is told of them. */
export class OwnMedia {
  private readonly own: LocalDevices;

  constructor(
    private readonly media: MediaPort,
    private readonly status: LiveStatus,
    private readonly signalling: CallSignalling,
    private readonly handlers: OwnHandlers,
  ) {
    this.own = new LocalDevices(media, (device, problem) => this.onLost(device, problem));
  }

  get tracks(): LocalTracks {
    return this.own.tracks;
  }
  get stream(): MediaStream | null {
    return this.own.stream;
  }
  get choice(): DeviceChoice {
    return this.own.choice;
  }

  async openFor(media: CallMedia): Promise<void> {
    await this.open("microphone");
    if (media === "video") await this.open("camera");
    this.status.change({
      microphone: this.own.tracks.audio !== null && this.status.now.microphone,
      camera: this.own.tracks.video !== null,
    });
    this.applyMute();
    this.announce();
    await this.refresh();
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (on && !this.own.tracks.audio) await this.open("microphone");
    this.status.change({ microphone: on && this.own.tracks.audio !== null });
    this.applyMute();
    await this.handlers.publish();
    await this.tell();
  }

  async setCamera(on: boolean): Promise<void> {
    if (!on) this.own.stop("camera");
    else if (!this.own.tracks.video) await this.open("camera");
    this.status.change({ camera: on && this.own.tracks.video !== null });
    this.announce();
    await this.handlers.publish();
    await this.tell();
  }

  async switchCamera(): Promise<void> {
    const { cameras } = await this.media.devices();
    const facing = this.status.now.facing === "user" ? "environment" : "user";
    this.status.change({ facing });
    const now = this.own.tracks.video?.getSettings().deviceId ?? this.own.choice.camera;
    const index = cameras.findIndex((camera) => camera.deviceId === now);
    const next = cameras.length === 2 || index >= 0 ? cameras[(index + 1) % cameras.length] : null;
    await this.choose({ camera: next?.deviceId ?? null });
  }

  async choose(choice: Partial<DeviceChoice>): Promise<void> {
    this.own.choice = { ...this.own.choice, ...choice };
    if (choice.microphone !== undefined && this.own.tracks.audio) {
      this.own.stop("microphone");
      await this.open("microphone");
      this.applyMute();
    }
    if (choice.camera !== undefined && this.status.now.camera) {
      this.own.stop("camera");
      await this.open("camera");
      this.status.change({ camera: this.own.tracks.video !== null });
    }
    this.announce();
    await this.handlers.publish();
  }

  /** A moderator silenced us. */
  silence(): void {
    this.status.change({ microphone: false });
    this.applyMute();
  }

  async shareScreen(): Promise<void> {
    if (this.status.free || this.status.now.sharing) return;
    await this.own.openScreen(() => void this.stopScreen());
    try {
      if (this.status.free) throw new RealtimeError("call_ended", "通话已结束");
      await this.tellScreen(true);
    } catch (error) {
      this.own.stop("screen");
      throw error;
    }
    this.status.change({ sharing: true });
    // The line may be there from an earlier sharing.
    await this.handlers.publish();
  }

  async stopScreen(): Promise<void> {
    this.own.stop("screen");
    if (!this.status.now.sharing) return;
    this.status.change({ sharing: false });
    await this.handlers.publish();
    await this.tellScreen(false).catch((error: unknown) =>
      this.handlers.problem(asRealtimeError(error)),
    );
  }

  /** A moderator, or the server, ended our sharing. */
  screenStopped(): void {
    this.own.stop("screen");
    this.status.change({ sharing: false });
    void this.handlers.publish();
  }

  closeAll(): void {
    this.own.stop("microphone");
    this.own.stop("camera");
    this.own.stop("screen");
  }

  /** Tells the server what of us may be forwarded. */
  async tell(): Promise<void> {
    const { call } = this.status;
    if (!call || this.status.free || this.status.now.listening !== "no") return;
    const { microphone, camera } = this.status.now;
    await this.signalling
      .request("call:update", { call, action: "media", audio: microphone, video: camera })
      .catch((error: unknown) => {
        const problem = asRealtimeError(error);
        if (!problem.transient) this.handlers.problem(problem);
      });
  }

  async tellScreen(on: boolean): Promise<void> {
    const { call } = this.status;
    if (call) await this.signalling.request("call:update", { call, action: "screen", on });
  }

  announce(): void {
    this.handlers.local(this.own.stream);
  }

  async refresh(): Promise<void> {
    try {
      this.handlers.devices(await this.media.devices());
    } catch {
      // No device API: the call itself already told why.
    }
  }

  private async open(device: "microphone" | "camera"): Promise<void> {
    // Who hangs up while the browser asks for permission no longer wants the device.
    const problem = await this.own.open(device, this.status.now.facing, () => !this.status.free);
    if (this.status.free) return;
    this.status.change({ problems: { ...this.status.now.problems, [device]: problem } });
    if (problem) this.handlers.problem(problem);
  }

  private applyMute(): void {
    const { audio } = this.own.tracks;
    if (audio) audio.enabled = this.status.now.microphone;
  }

  private onLost(device: "microphone" | "camera", problem: MediaError): void {
    this.status.change({
      [device]: false,
      problems: { ...this.status.now.problems, [device]: problem },
    });
    this.announce();
    this.handlers.problem(problem);
    void this.handlers.publish();
    void this.tell();
  }
}
