import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CallClient } from "../src/call-client";
import { handsOf, moderates, peopleIn } from "../src/call-lecture";
import { OngoingCalls } from "../src/call-ongoing";
import type { CallSignalling } from "../src/call-types";
import { Emitter } from "../src/emitter";
import { RealtimeError } from "../src/errors";
import { MediaError, mediaProblem } from "../src/media";
import type { RoomClientEvents } from "../src/room-client";
import type { CallMedia, CallView } from "../src/types";
import { FakeMedia, FakeStream, type FakePeerConnection } from "./support/fake-media";
import { settle } from "./support/fake-server";

const DOCTOR = "doctor";
const PATIENT = "patient";

class Signalling extends Emitter<RoomClientEvents> {
  readonly sent: { event: string; payload: Record<string, unknown> }[] = [];
  answers: Record<string, object> = {};
  refusals: Record<string, RealtimeError> = {};

  request<T>(event: string, payload: object): Promise<T> {
    this.sent.push({ event, payload: payload as Record<string, unknown> });
    const refusal = this.refusals[event];
    if (refusal) return Promise.reject(refusal);
    return Promise.resolve((this.answers[event] ?? {}) as T);
  }

  of(event: string, action?: string) {
    return this.sent
      .filter((one) => one.event === event && (!action || one.payload["action"] === action))
      .map((one) => one.payload);
  }
}

function view(
  change: Partial<CallView> = {},
  patient: Partial<CallView["participants"][0]> = {},
): CallView {
  const person = (user_id: string) => ({
    user_id,
    name: user_id,
    role: user_id === DOCTOR ? ("doctor" as const) : ("patient" as const),
    state: "joined" as const,
    device: `${user_id}-device`,
    audio: true,
    video: true,
    screen: false,
    on_stage: true,
    hand_at: null,
  });
  return {
    id: "c",
    room: "r",
    media: "video" as CallMedia,
    state: "active",
    started_by: DOCTOR,
    started_at: "2026-11-21T00:00:00Z",
    answered_at: null,
    ended_at: null,
    end_reason: null,
    recording: true,
    asks_recording: false,
    lecture: false,
    viewers: null,
    moderators: [DOCTOR],
    participants: [person(DOCTOR), { ...person(PATIENT), ...patient }],
    ...change,
  };
}

const FIRST_OFFER = "0 audio,1 video";
const WITH_PATIENT = `${FIRST_OFFER},2 audio u_${PATIENT},3 video u_${PATIENT}`;

let signalling: Signalling;
let media: FakeMedia;

function client(user: string): CallClient {
  return new CallClient({
    signalling: signalling as unknown as CallSignalling,
    userId: user,
    device: `${user}-device`,
    media,
  });
}

function offer(session: string, version: number, sdp: string): void {
  signalling.emit("call-offer", { call: "c", session, version, sdp });
}

const lastConnection = (): FakePeerConnection => {
  const connection = media.connections[media.connections.length - 1];
  if (!connection) throw new Error("No connection was made.");
  return connection;
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", FakeStream);
  signalling = new Signalling();
  media = new FakeMedia();
  signalling.answers["call:start"] = {
    call: view({ state: "ringing" }, { state: "ringing", device: null }),
    ice_servers: [],
  };
  signalling.answers["call:accept"] = { call: view(), ice_servers: [] };
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function connected(): Promise<CallClient> {
  const calls = client(DOCTOR);
  await calls.start("r", "video");
  signalling.emit("call-state", view());
  offer("s1", 1, FIRST_OFFER);
  await settle();
  lastConnection().becomes("connected");
  return calls;
}

describe("what the server tells in a call", () => {
  it("turns the microphone off when a moderator silences us, and on again when we want", async () => {
    const calls = await connected();
    signalling.emit("call-muted", { call: "another" });
    expect(calls.status.microphone).toBe(true);
    signalling.emit("call-muted", { call: "c" });
    expect(calls.status.microphone).toBe(false);
    expect(media.opened.find((track) => track.kind === "audio")?.enabled).toBe(false);
    await calls.setMicrophone(true);
    expect(signalling.of("call:update", "media").at(-1)).toMatchObject({ audio: true });
  });

  it("is over for who was put out of it", async () => {
    const calls = client(PATIENT);
    signalling.emit("call-ring", { call: view({ state: "ringing" }), room: "r" });
    await calls.accept();
    signalling.emit("call-state", view({}, { state: "removed", device: null }));
    expect(calls.status).toMatchObject({ phase: "ended", endReason: "removed" });
  });

  it("names the pictures that pause on this device, and who speaks", async () => {
    const calls = await connected();
    signalling.emit("call-network", {
      call: "c",
      device: "elsewhere",
      paused: [PATIENT],
      screen: true,
    });
    expect(calls.status.paused).toEqual([]);
    signalling.emit("call-network", {
      call: "c",
      device: "doctor-device",
      paused: [PATIENT],
      screen: false,
    });
    signalling.emit("call-speaker", { call: "c", user: PATIENT });
    expect(calls.status).toMatchObject({ paused: [PATIENT], speaker: PATIENT });
  });

  it("is asked once for the size of what is shown", async () => {
    const calls = await connected();
    await calls.show({ [PATIENT]: 252 });
    await calls.show({ [PATIENT]: 252 });
    await calls.show({ [PATIENT]: 0 }, 900);
    const asked = signalling.of("call:update", "view");
    expect(asked.map((one) => one["lines"])).toEqual([{ [PATIENT]: 252 }, { [PATIENT]: 0 }]);
    expect(asked.at(-1)).toMatchObject({ screen: 900 });
  });
});

describe("listening", () => {
  it("observes without a device of its own, asks anew after a loss, and leaves without ending", async () => {
    signalling.answers["call:observe"] = { call: view(), ice_servers: [] };
    const calls = client("supervisor");
    await calls.observe("r", "抽查");
    offer("s1", 1, WITH_PATIENT);
    await settle();
    lastConnection().becomes("connected");
    expect(calls.status).toMatchObject({ phase: "connected", listening: "observer" });
    expect([...calls.remotes.keys()]).toEqual([PATIENT]);
    expect(media.opened).toEqual([]);
    lastConnection().becomes("failed");
    await vi.advanceTimersByTimeAsync(9000);
    expect(signalling.of("call:observe").at(-1)).toEqual({ room: "r", reason: "抽查" });
    expect(signalling.of("call:observe").length).toBeGreaterThan(1);
    await calls.hangUp({ end: true });
    expect(signalling.of("call:end")).toEqual([]);
    expect(signalling.of("call:leave")).toHaveLength(1);
    expect(signalling.of("call:update")).toEqual([]);
  });

  it("is asked before a device opens for the stage of a lecture, and closes them with it", async () => {
    const lecture = (on_stage: boolean, hand_at: string | null = null): CallView =>
      view({ lecture: true, viewers: 1 }, { on_stage, hand_at });
    signalling.answers["call:update"] = { call: lecture(false) };
    const calls = client(PATIENT);
    await calls.rejoin(lecture(false));
    expect(calls.status).toMatchObject({ listening: "audience", microphone: false });
    offer("s1", 1, FIRST_OFFER);
    await settle();
    lastConnection().becomes("connected");
    await calls.raiseHand(true);
    expect(signalling.of("call:update", "hand")).toMatchObject([{ on: true }]);
    signalling.emit("call-state", lecture(true));
    await settle();
    expect(calls.status).toMatchObject({ listening: "no", invited: true, microphone: false });
    expect(signalling.of("call:update", "media")).toMatchObject([{ audio: false, video: false }]);
    expect(media.opened).toEqual([]);
    // Other lines come with another session: nothing broke.
    offer("s2", 1, FIRST_OFFER);
    await settle();
    expect(calls.status.phase).toBe("connecting");
    await calls.takeStage();
    expect(calls.status).toMatchObject({ invited: false, microphone: true, camera: true });
    expect(signalling.of("call:update", "media").at(-1)).toMatchObject({
      audio: true,
      video: true,
    });
    expect(media.opened).toHaveLength(2);
    await calls.leaveStage();
    expect(signalling.of("call:update", "step_down")).toHaveLength(1);
    signalling.emit("call-state", lecture(false));
    expect(media.opened.every((track) => track.readyState === "ended")).toBe(true);
    expect(calls.status).toMatchObject({ listening: "audience", invited: false, camera: false });
  });

  it("is asked again after a reload that came before the answer", async () => {
    const invited = view({ lecture: true }, { audio: false, video: false });
    signalling.answers["call:update"] = { call: invited };
    const calls = client(PATIENT);
    await calls.rejoin(invited);
    expect(calls.status).toMatchObject({ listening: "no", invited: true });
    expect(media.opened).toEqual([]);
  });

  it("knows the calls of joined rooms, also a lecture that ends without us", () => {
    let known: ReadonlyMap<string, CallView> = new Map();
    const ongoing = new OngoingCalls(signalling, (now) => (known = now));
    signalling.emit("call-state", view({ lecture: true, viewers: 3 }, { state: "left" }));
    expect([...known.values()].map(peopleIn)).toEqual([4]);
    signalling.emit("call-found", { room: "r", call: view({ id: "d" }) });
    signalling.emit("call-state", view({ state: "ended" }));
    expect(known.get("r")).toMatchObject({ id: "d" });
    const ended = { room: "r", kind: "system", body: { event: "call_ended", text: "", call: "d" } };
    signalling.emit("message", ended as never);
    expect(known.size).toBe(0);
    ongoing.stop();
  });

  it("shows hands in the order in which they went up, and leaves moderation to whom the server names", () => {
    const up = (user_id: string, hand_at: string | null) => ({
      ...view().participants[0]!,
      user_id,
      hand_at,
    });
    const call = view({
      lecture: true,
      participants: [
        up("second", "2026-11-21T00:00:02Z"),
        up("none", null),
        up("first", "2026-11-21T00:00:01Z"),
      ],
    });
    expect(handsOf(call).map((one) => one.user_id)).toEqual(["first", "second"]);
    expect(moderates(call, DOCTOR)).toBe(true);
    expect(moderates(call, "another doctor")).toBe(false);
    expect(moderates(view({ moderators: ["another doctor"] }), "another doctor")).toBe(true);
    expect(moderates(view(), PATIENT)).toBe(false);
  });
});

describe("a shared screen", () => {
  const sharing = (on: boolean): CallView => {
    const now = view();
    return {
      ...now,
      participants: now.participants.map((one) =>
        one.user_id === DOCTOR ? { ...one, screen: on } : one,
      ),
    };
  };
  const line = () => lastConnection().transceivers.find((one) => one.mid === "screen");

  it("goes into a line of its own beside the camera, until its user stops it", async () => {
    const calls = await connected();
    await calls.shareScreen();
    expect(signalling.of("call:update", "screen")).toMatchObject([{ on: true }]);
    expect(calls.status.sharing).toBe(true);
    signalling.emit("call-state", sharing(true));
    offer("s1", 2, `${WITH_PATIENT},screen video`);
    await settle();
    expect(line()).toMatchObject({ direction: "sendonly", sender: { track: { id: "screen" } } });
    expect(calls.status.camera).toBe(true);
    media.opened.at(-1)?.onended?.();
    await settle();
    expect(signalling.of("call:update", "screen").at(-1)).toMatchObject({ on: false });
    expect(calls.status.sharing).toBe(false);
    expect(line()?.sender.track).toBeNull();
  });

  it("ends when a moderator stops it, and is not begun when somebody else shares", async () => {
    const calls = await connected();
    await calls.shareScreen();
    signalling.emit("call-state", sharing(true));
    signalling.emit("call-state", sharing(false));
    expect(calls.status.sharing).toBe(false);
    expect(media.opened.at(-1)?.readyState).toBe("ended");
    signalling.refusals["call:update"] = new RealtimeError("screen_taken", "有人正在共享屏幕");
    await expect(calls.shareScreen()).rejects.toMatchObject({ code: "screen_taken" });
    expect(calls.status.sharing).toBe(false);
    expect(media.opened.at(-1)?.readyState).toBe("ended");
    media.fail.screen = new MediaError("permission_denied", "screen");
    await expect(calls.shareScreen()).rejects.toMatchObject({
      problem: "permission_denied",
      device: "screen",
    });
  });

  it("of somebody else comes beside his picture and goes with his sharing", async () => {
    const calls = client(PATIENT);
    signalling.emit("call-ring", { call: view({ state: "ringing" }), room: "r" });
    await calls.accept();
    signalling.emit("call-state", sharing(true));
    offer(
      "s1",
      1,
      `${FIRST_OFFER},2 audio u_${DOCTOR},3 video u_${DOCTOR},screen-1 video s_${DOCTOR}`,
    );
    await settle();
    expect([...calls.screens.keys()]).toEqual([DOCTOR]);
    expect(calls.remotes.get(DOCTOR)?.getTracks()).toHaveLength(2);
    signalling.emit("call-state", sharing(false));
    expect(calls.screens.size).toBe(0);
    expect(calls.remotes.get(DOCTOR)?.getTracks()).toHaveLength(2);
  });
});

describe("negotiation", () => {
  it("publishes into the lines of the first offer", async () => {
    await connected();
    const [audio, video] = lastConnection().transceivers;
    expect([audio?.direction, video?.direction]).toEqual(["sendonly", "sendonly"]);
    expect([audio?.sender.track?.kind, video?.sender.track?.kind]).toEqual(["audio", "video"]);
    expect(signalling.of("call:answer")[0]).toMatchObject({ call: "c", session: "s1", version: 1 });
  });

  it("renegotiates the same connection and names the streams of the others", async () => {
    const calls = await connected();
    offer("s1", 2, WITH_PATIENT);
    await settle();
    expect(media.connections).toHaveLength(1);
    const stream = calls.remotes.get(PATIENT) as unknown as FakeStream;
    expect(stream.getTracks().map((track) => track.kind)).toEqual(["audio", "video"]);
    expect(signalling.of("call:answer").map((answer) => answer["version"])).toEqual([1, 2]);
  });

  it("makes a fresh connection for a new session and ignores offers of the old one", async () => {
    await connected();
    offer("s2", 1, WITH_PATIENT);
    await settle();
    expect(media.connections).toHaveLength(2);
    expect(media.connections[0]?.closed).toBe(true);
    offer("s1", 9, FIRST_OFFER);
    await settle();
    expect(media.connections).toHaveLength(2);
    const [audio] = lastConnection().transceivers;
    expect(audio?.sender.track?.readyState).toBe("live");
  });

  it("answers the next offer although the answer before was refused as stale", async () => {
    const calls = await connected();
    signalling.refusals["call:answer"] = new RealtimeError("stale_answer", "已过期");
    offer("s1", 2, FIRST_OFFER);
    await settle();
    signalling.refusals = {};
    offer("s1", 3, WITH_PATIENT);
    await settle();
    expect(signalling.of("call:answer").map((answer) => answer["version"])).toEqual([1, 2, 3]);
    expect(calls.remotes.has(PATIENT)).toBe(true);
    await vi.advanceTimersByTimeAsync(60);
    expect(signalling.of("call:update", "join")).toHaveLength(0);
  });

  it("uses the relays that it is told, and fresh credentials when a new path is looked for", async () => {
    const relay = (username: string) => ({
      urls: ["turn:turn.example"],
      username,
      credential: "c",
    });
    signalling.answers["call:start"] = { call: view(), ice_servers: [relay("first")] };
    const calls = new CallClient({
      signalling: signalling as unknown as CallSignalling,
      userId: DOCTOR,
      device: "doctor-device",
      media,
      iceTransportPolicy: "relay",
    });
    await calls.start("r", "video");
    offer("s1", 1, FIRST_OFFER);
    await settle();
    const connection = lastConnection();
    expect(connection.configuration).toMatchObject({
      iceServers: [relay("first")],
      iceTransportPolicy: "relay",
    });
    const again = { call: "c", session: "s1", version: 2, sdp: FIRST_OFFER };
    signalling.emit("call-offer", { ...again, ice_servers: [relay("second")] });
    await settle();
    expect(lastConnection()).toBe(connection);
    expect(connection.configuration).toMatchObject({
      iceServers: [relay("second")],
      iceTransportPolicy: "relay",
    });
  });

  it("answers each version once", async () => {
    await connected();
    offer("s1", 1, FIRST_OFFER);
    await settle();
    expect(signalling.of("call:answer")).toHaveLength(1);
  });

  it("takes an offer that overtakes the acknowledgement of the start", async () => {
    const calls = client(DOCTOR);
    const started = calls.start("r", "voice");
    offer("s1", 1, FIRST_OFFER);
    await started;
    await settle();
    expect(signalling.of("call:answer")).toHaveLength(1);
  });
});

describe("pictures that stand still", () => {
  const looked = (freezes: number, seconds: number, id = "one") =>
    lastConnection().statistics.set(id, {
      id,
      type: "inbound-rtp",
      kind: "video",
      freezeCount: freezes,
      totalFreezesDuration: seconds,
    });

  it("are counted since the last look, shown, and told to the server", async () => {
    const calls = await connected();
    looked(2, 1.5);
    await vi.advanceTimersByTimeAsync(10000);
    expect(calls.status.freezing).toBe(true);
    looked(3, 2.25);
    looked(0, 0, "two");
    await vi.advanceTimersByTimeAsync(10000);
    await vi.advanceTimersByTimeAsync(10000);
    expect(calls.status.freezing).toBe(false);
    expect(signalling.of("call:update", "freezes")).toMatchObject([
      { call: "c", freezes: 2, frozen_ms: 1500 },
      { call: "c", freezes: 1, frozen_ms: 750 },
    ]);
  });

  it("begin at zero with another session, and end with the call", async () => {
    const calls = await connected();
    looked(5, 4);
    await vi.advanceTimersByTimeAsync(10000);
    offer("s2", 1, FIRST_OFFER);
    await settle();
    expect(calls.status.freezing).toBe(false);
    lastConnection().becomes("connected");
    looked(1, 0.5);
    await vi.advanceTimersByTimeAsync(10000);
    await calls.hangUp({ end: true });
    looked(9, 9);
    await vi.advanceTimersByTimeAsync(20000);
    const told = signalling.of("call:update", "freezes").map((one) => one["freezes"]);
    expect(told).toEqual([5, 1]);
  });
});

describe("recovery", () => {
  it("asks for a fresh path at once when media failed, then for a session until one connects", async () => {
    const calls = await connected();
    lastConnection().becomes("failed");
    expect(calls.status.phase).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(1);
    expect(signalling.of("call:update", "restart")).toHaveLength(1);
    expect(signalling.of("call:update", "join")).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(8100);
    expect(signalling.of("call:update", "restart")).toHaveLength(1);
    expect(signalling.of("call:update", "join")).toHaveLength(2);
    offer("s2", 1, WITH_PATIENT);
    await settle();
    lastConnection().becomes("connected");
    expect(calls.status.phase).toBe("connected");
    await vi.advanceTimersByTimeAsync(20000);
    expect(signalling.of("call:update", "join")).toHaveLength(2);
  });

  it("lets a short interruption pass", async () => {
    await connected();
    lastConnection().becomes("disconnected");
    await vi.advanceTimersByTimeAsync(900);
    lastConnection().becomes("connected");
    await vi.advanceTimersByTimeAsync(20000);
    expect(signalling.of("call:update", "restart")).toHaveLength(0);
    expect(signalling.of("call:update", "join")).toHaveLength(0);
  });

  it("keeps the session when a fresh path heals a longer interruption", async () => {
    const calls = await connected();
    lastConnection().becomes("disconnected");
    await vi.advanceTimersByTimeAsync(1000);
    expect(signalling.of("call:update", "restart")).toHaveLength(1);
    offer("s1", 2, FIRST_OFFER);
    await settle();
    lastConnection().becomes("connected");
    await vi.advanceTimersByTimeAsync(20000);
    expect(calls.status.phase).toBe("connected");
    expect(media.connections).toHaveLength(1);
    expect(signalling.of("call:update", "join")).toHaveLength(0);
  });

  it("asks for a fresh path as soon as the network changes, before the browser misses the old one", async () => {
    await connected();
    media.changeNetwork();
    await vi.advanceTimersByTimeAsync(1);
    expect(signalling.of("call:update", "restart")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20000);
    expect(signalling.of("call:update", "restart")).toHaveLength(1);
    expect(signalling.of("call:update", "join")).toHaveLength(0);
  });

  it("tells of the new network when the socket is back, if it was away", async () => {
    await connected();
    signalling.refusals["call:update"] = new RealtimeError("offline", "连接已断开");
    media.changeNetwork();
    await vi.advanceTimersByTimeAsync(1);
    signalling.refusals = {};
    signalling.emit("online", { again: true });
    await vi.advanceTimersByTimeAsync(1);
    expect(signalling.of("call:update", "restart")).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(20000);
    expect(signalling.of("call:update")).toHaveLength(3); // With the state of the devices.
  });

  it("rejoins after a reload the call that this device was in", async () => {
    const calls = client(DOCTOR);
    signalling.emit("call-found", { room: "r", call: view() });
    await settle();
    expect(calls.status.phase).toBe("connecting");
    expect(signalling.of("call:update", "join")).toHaveLength(1);
  });

  it("does not take a call that another device is in", () => {
    const calls = client(PATIENT);
    signalling.emit("call-found", { room: "r", call: view({}, { device: "other-phone" }) });
    expect(calls.status.phase).toBe("idle");
  });

  it("notices on reconnection that the call is over", async () => {
    const calls = await connected();
    signalling.emit("call-found", { room: "r", call: null });
    expect(calls.status).toMatchObject({ phase: "ended" });
  });
});

describe("ringing", () => {
  const ringing = () => view({ state: "ringing" }, { state: "ringing", device: null });

  it("rings, and connects when accepted", async () => {
    const calls = client(PATIENT);
    signalling.emit("call-ring", { call: ringing(), room: "r" });
    expect(calls.status.phase).toBe("incoming");
    await calls.accept();
    expect(signalling.of("call:accept")[0]).toEqual({ call: "c", device: "patient-device" });
    expect(calls.status.phase).toBe("connecting");
  });

  it("stops when another device of the user took the call", () => {
    const calls = client(PATIENT);
    signalling.emit("call-ring", { call: ringing(), room: "r" });
    signalling.emit("call-state", view({}, { state: "joined", device: "other-phone" }));
    expect(calls.status).toMatchObject({ phase: "ended", endReason: "taken_elsewhere" });
    expect(media.opened).toHaveLength(0);
  });

  it("says so when it accepts too late", async () => {
    const calls = client(PATIENT);
    signalling.refusals["call:accept"] = new RealtimeError("call_taken", "已在其他设备接听");
    signalling.emit("call-ring", { call: ringing(), room: "r" });
    await expect(calls.accept()).rejects.toThrow("已在其他设备接听");
    expect(calls.status).toMatchObject({ phase: "ended", endReason: "taken_elsewhere" });
    expect(media.opened.every((track) => track.readyState === "ended")).toBe(true);
  });

  it("ends when nobody answers", async () => {
    const calls = client(DOCTOR);
    await calls.start("r", "video");
    expect(calls.status.phase).toBe("outgoing");
    signalling.emit("call-state", view({ state: "ended", end_reason: "no_answer" }));
    expect(calls.status).toMatchObject({ phase: "ended", endReason: "no_answer" });
    calls.dismiss();
    expect(calls.status.phase).toBe("idle");
  });
});

describe("devices", () => {
  it("goes on without a camera and names the reason", async () => {
    media.fail.camera = new MediaError("permission_denied", "camera");
    const calls = client(DOCTOR);
    await calls.start("r", "video");
    expect(calls.status.problems.camera?.problem).toBe("permission_denied");
    expect(calls.status.camera).toBe(false);
    expect(calls.status.microphone).toBe(true);
  });

  it("tells the others when muted and when the camera is off", async () => {
    const calls = await connected();
    await calls.setMicrophone(false);
    expect(media.opened[0]?.enabled).toBe(false);
    await calls.setCamera(false);
    expect(media.opened[1]?.readyState).toBe("ended");
    expect(lastConnection().transceivers[1]?.sender.track).toBeNull();
    expect(signalling.of("call:update", "media").pop()).toMatchObject({
      audio: false,
      video: false,
    });
    await calls.setCamera(true);
    expect(lastConnection().transceivers[1]?.sender.track?.readyState).toBe("live");
  });

  it("switches to the next camera without negotiation", async () => {
    const calls = await connected();
    await calls.switchCamera();
    expect(lastConnection().transceivers[1]?.sender.track?.id).toBe("cam2");
    expect(signalling.of("call:answer")).toHaveLength(1);
  });

  it("keeps the microphone muted when another one is chosen", async () => {
    const calls = await connected();
    await calls.setMicrophone(false);
    await calls.choose({ microphone: "headset" });
    const track = lastConnection().transceivers[0]?.sender.track;
    expect(track).toMatchObject({ id: "headset", enabled: false });
  });

  it("tells when the camera is unplugged", async () => {
    const calls = await connected();
    media.opened[1]?.onended?.();
    expect(calls.status.camera).toBe(false);
    expect(calls.status.problems.camera?.problem).toBe("no_device");
  });

  it("stops every device when the call ends", async () => {
    const calls = await connected();
    await calls.hangUp({ end: true });
    expect(media.opened.every((track) => track.readyState === "ended")).toBe(true);
    expect(signalling.of("call:end")).toHaveLength(1);
    expect(calls.local).toBeNull();
  });

  it("knows the browser's names for what went wrong", () => {
    expect(mediaProblem({ name: "NotAllowedError" })).toBe("permission_denied");
    expect(mediaProblem({ name: "NotReadableError" })).toBe("device_busy");
    expect(mediaProblem({ name: "Surprise" })).toBe("unknown");
  });
});
