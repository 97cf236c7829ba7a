import { onlyWatches } from "./call-lecture";
import type { CallConnection } from "./call-connection";
import type { OwnMedia } from "./call-own";
import type { LiveStatus } from "./call-status";
import type { CallSignalling } from "./call-types";
import type { CallView } from "./types";

/** Microphone and camera of somebody who only looks on. */
export const SILENT = { microphone: false, camera: false } as const;

/** Our place in a lecture: the hand, the stage, and the devices that open and close with it. */
export class OwnStage {
  constructor(
    private readonly user: string,
    private readonly status: LiveStatus,
    private readonly own: OwnMedia,
    private readonly connection: CallConnection,
    private readonly signalling: CallSignalling,
  ) {}

  async raiseHand(up: boolean): Promise<void> {
    const { call } = this.status;
    if (call) await this.signalling.request("call:update", { call, action: "hand", on: up });
  }

  /** After an invitation: opens our devices and goes onto the stage. */
  async take(camera: boolean): Promise<void> {
    const { call, invited } = this.status.now;
    if (!call || !invited) return;
    this.status.change({ invited: false, microphone: true });
    await this.own.openFor(camera ? call.media : "voice");
    await this.connection.publish();
    await this.own.tell();
  }

  /** Back among the audience, or not onto the stage at all. */
  async leave(): Promise<void> {
    const { call } = this.status;
    if (call) await this.signalling.request("call:update", { call, action: "step_down" });
  }

  /** The teacher invited us onto the stage, or sent us back: devices close at once, and open when we agree. */
  follow(call: CallView): void {
    const { listening } = this.status.now;
    if (listening === "observer" || !call.lecture) return;
    const watches = onlyWatches(call, this.user);
    if (watches === (listening === "audience")) return;
    this.connection.turning();
    if (watches) {
      this.own.closeAll();
      this.status.change({ listening: "audience", invited: false, sharing: false, ...SILENT });
      this.own.announce();
    } else {
      this.status.change({ listening: "no", invited: true, ...SILENT });
      void this.own.tell();
    }
  }
}
