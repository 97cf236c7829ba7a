import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceCheck, type CheckReport } from "../src/check/device-check";
import {
  figuresOf,
  networkVerdict,
  tryNetwork,
  type NetworkFigures,
  type TrialPort,
} from "../src/check/network";
import { loudness } from "../src/check/sound";
import { callProblem } from "../src/check/support";
import { MediaError } from "../src/media";
import { FakeMedia, FakeStream } from "./support/fake-media";

const GOOD: NetworkFigures = {
  connected: true,
  joinMs: 300,
  rttMs: 40,
  jitterMs: 3,
  loss: 0,
  relayed: false,
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", FakeStream);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("what the figures mean", () => {
  it("is said by the worst of them", () => {
    expect(networkVerdict(GOOD).level).toBe("good");
    expect(networkVerdict({ ...GOOD, loss: 0.05 }).level).toBe("fair");
    expect(networkVerdict({ ...GOOD, rttMs: 700 }).level).toBe("poor");
    expect(networkVerdict({ ...GOOD, connected: false }).level).toBe("blocked");
  });

  it("comes from both lines of a session that only sends", () => {
    const entries = [
      { type: "outbound-rtp", id: "a", packetsSent: 150 },
      { type: "outbound-rtp", id: "v", packetsSent: 50 },
      { type: "remote-inbound-rtp", id: "ra", packetsLost: 10, jitter: 0.01, roundTripTime: 0.1 },
      { type: "remote-inbound-rtp", id: "rv", packetsLost: -2, jitter: 0.03, roundTripTime: 0 },
      {
        type: "candidate-pair",
        id: "p",
        nominated: true,
        state: "succeeded",
        currentRoundTripTime: 0.5,
        localCandidateId: "l",
      },
      { type: "local-candidate", id: "l", candidateType: "relay" },
    ];
    const report = new Map(entries.map((one) => [one.id, one])) as unknown as RTCStatsReport;
    expect(figuresOf(report)).toEqual({
      connected: true,
      joinMs: null,
      rttMs: 100,
      jitterMs: 20,
      loss: 0.05,
      relayed: true,
    });
  });
});

describe("the trial of the network", () => {
  const asked: string[] = [];
  const port: TrialPort = {
    begin: (media) => {
      asked.push(`begin ${media}`);
      return Promise.resolve({ session: "s", version: 1, sdp: "0 audio,1 video" });
    },
    answer: (answer) => {
      asked.push(`answer ${answer.sdp}`);
      return Promise.resolve();
    },
  };
  beforeEach(() => asked.splice(0));

  it("publishes, counts for a while and ends", async () => {
    const media = new FakeMedia();
    const tracks = { audio: await media.microphone(null), video: null };
    const result = tryNetwork(port, { tracks, media, measureMs: 1000 });
    await vi.advanceTimersByTimeAsync(200);
    media.connections[0]?.becomes("connected");
    await vi.advanceTimersByTimeAsync(1500);
    expect((await result).connected).toBe(true);
    expect(asked).toEqual(["begin voice", "answer 0 sendonly,1 sendonly"]);
    expect(media.connections[0]?.transceivers[0]?.sender.track).toBe(tracks.audio);
    expect(media.connections[0]?.closed).toBe(true);
  });

  it("says so when no way leads to the server", async () => {
    const media = new FakeMedia();
    const result = tryNetwork(port, { tracks: { audio: null, video: null }, media });
    await vi.advanceTimersByTimeAsync(12_500);
    expect((await result).connected).toBe(false);
    expect(media.connections[0]?.closed).toBe(true);
  });
});

describe("the check before a call", () => {
  let level = 0;
  let report: CheckReport;
  const make = (media: FakeMedia, figures = GOOD) =>
    new DeviceCheck({
      trial: {} as TrialPort,
      refusal: () => "请稍后再试",
      changed: (next) => (report = next),
      media,
      meter: () => ({ level: () => level, stop: () => undefined }),
      sound: () => Promise.resolve(),
      network: () => Promise.resolve(figures),
      userAgent: "Mozilla/5.0 (iPhone) MicroMessenger/8",
    });
  beforeEach(() => (level = 0));

  it("finds everything in order once a word was heard and the sound confirmed", async () => {
    const media = new FakeMedia();
    const check = make(media);
    await check.start();
    expect(report.steps.microphone.state).toBe("ask");
    expect(report.verdict).toBeNull();
    level = 0.6;
    await vi.advanceTimersByTimeAsync(200);
    expect(report.verdict).toBe("video");
    await check.play();
    expect(report.finished).toBe(false);
    check.heard(true);
    expect(report.finished).toBe(true);
    check.stop();
    expect(media.opened.map((one) => one.readyState)).toEqual(["ended", "ended"]);
  });

  it("tells a patient where to allow the microphone, and offers no call", async () => {
    const media = new FakeMedia();
    media.fail.microphone = new MediaError("permission_denied", "microphone");
    await make(media).start();
    expect(report.steps.microphone.text).toBe("麦克风没有使用权限");
    expect(report.steps.microphone.advice).toContain("找到微信，允许使用麦克风");
    expect(report.verdict).toBe("none");
  });

  it("leaves a voice call without a camera, and asks again for a silent microphone", async () => {
    const media = new FakeMedia();
    media.fail.camera = new MediaError("device_busy", "camera");
    const check = make(media);
    await check.start();
    await vi.advanceTimersByTimeAsync(8200);
    expect(report.steps.microphone.state).toBe("warn");
    expect(report.steps.camera.advice).toContain("关闭正在使用摄像头的其他程序");
    expect(report.verdict).toBe("voice");
    delete media.fail.camera;
    level = 0.6;
    await check.start();
    await vi.advanceTimersByTimeAsync(200);
    expect(report.verdict).toBe("video");
    check.stop();
  });
});

describe("browsers without calls", () => {
  const facts = { userAgent: "", secure: true, capture: false, peerConnection: true };

  it("are told apart, each with its way out", () => {
    expect(callProblem({ ...facts, capture: true })).toBeNull();
    expect(callProblem({ ...facts, secure: false })?.reason).toBe("insecure_page");
    const wechat = callProblem({ ...facts, userAgent: "iPhone OS 13_1 MicroMessenger/7" });
    expect(wechat?.reason).toBe("built_in_browser");
    expect(wechat?.steps[0]).toContain("Safari");
    expect(callProblem({ ...facts, peerConnection: false })?.reason).toBe("old_browser");
  });
});

describe("loudness", () => {
  it("grows with the sound and stays between 0 and 1", () => {
    const tone = (height: number) => Float32Array.from({ length: 100 }, (_, i) => height * (i % 2));
    expect(loudness(tone(0))).toBe(0);
    expect(loudness(tone(0.01))).toBeLessThan(loudness(tone(0.1)));
    expect(loudness(tone(1))).toBe(1);
  });
});
