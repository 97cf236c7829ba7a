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

  /** The teacher let us onto the stage, or sent us back. */
  follow(call: CallView): void {
    const { listening } = this.status.now;
    if (listening === "observer" || !call.lecture) return;
    const watches = onlyWatches(call, this.user);
    if (watches === (listening === "audience")) return;
    if (watches) {
      this.own.closeAll();
      this.status.change({ listening: "audience", sharing: false, ...SILENT });
      this.own.announce();
    } else {
      this.status.change({ listening: "no", microphone: true });
      void this.own.openFor(call.media).then(async () => {
        await this.connection.publish();
        await this.own.tell();
      });
    }
  }
}
