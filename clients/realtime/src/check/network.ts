import { CallSession, type LocalTracks } from "../call-session";
import { browserMedia, type MediaPort } from "../media";
import type { CallMedia, IceServer } from "../types";

/** The offer of a trial connection, as the server sends it. */
export interface TrialOffer {
  session: string;
  version: number;
  sdp: string;
  ice_servers?: IceServer[];
}

/** How the trial reaches the server: two requests. It ends with its connection. */
export interface TrialPort {
  begin(media: CallMedia): Promise<TrialOffer>;
  answer(answer: { session: string; version: number; sdp: string }): Promise<void>;
}

/** What a trial found out. Times in milliseconds, loss from 0 to 1; null: not known. */
export interface NetworkFigures {
  /** Whether media reached the server at all. */
  connected: boolean;
  joinMs: number | null;
  rttMs: number | null;
  jitterMs: number | null;
  loss: number | null;
  /** The way that was found leads through a relay (TURN). */
  relayed: boolean;
}

export interface TrialOptions {
  tracks: LocalTracks;
  media?: MediaPort;
  /** How long packets are counted once connected; default 5 s. */
  measureMs?: number;
  /** How long a way to the server is looked for; default 12 s. */
  connectMs?: number;
  /** From 0 to 1. */
  progress?: (share: number) => void;
  /** True once nobody waits for the result any more. */
  stopped?: () => boolean;
}

const NOTHING: NetworkFigures = {
  connected: false,
  joinMs: null,
  rttMs: null,
  jitterMs: null,
  loss: null,
  relayed: false,
};
const STEP_MS = 250;
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/**
 * Sends the own sound and picture to the media server for a few seconds, over the way that a call would
 * take, and counts. Rejects with what `port.begin` or `port.answer` were refused with.
 */
export async function tryNetwork(port: TrialPort, options: TrialOptions): Promise<NetworkFigures> {
  const { measureMs = 5000, connectMs = 12_000, progress = () => undefined } = options;
  const stopped = options.stopped ?? (() => false);
  const offer = await port.begin(options.tracks.video ? "video" : "voice");
  const began = Date.now();
  let state: RTCPeerConnectionState = "new";
  const session = new CallSession(
    offer.session,
    options.media ?? browserMedia(),
    { iceServers: offer.ice_servers ?? [], bundlePolicy: "max-bundle" },
    () => options.tracks,
    {
      answer: (id, version, sdp) => port.answer({ session: id, version, sdp }),
      remote: () => undefined,
      remoteEnded: () => undefined,
      connection: (now) => (state = now),
    },
    1_200_000,
  );
  const now = (): RTCPeerConnectionState => state;
  try {
    await session.offer({ call: "", ...offer });
    while (now() !== "connected" && now() !== "failed" && Date.now() - began < connectMs) {
      if (stopped()) return NOTHING;
      await pause(STEP_MS / 5);
    }
    if (now() !== "connected") return NOTHING;
    const joinMs = Date.now() - began;
    for (let spent = 0; spent < measureMs && !stopped(); spent += STEP_MS) {
      progress(spent / measureMs);
      await pause(STEP_MS);
    }
    progress(1);
    return { ...figuresOf(await session.stats()), connected: now() === "connected", joinMs };
  } finally {
    session.close();
  }
}

type Entry = Record<string, unknown> & { type: string; id: string };
const mean = (values: number[]): number | null =>
  values.length > 0 ? values.reduce((sum, one) => sum + one, 0) / values.length : null;
const numbers = (entries: Entry[], field: string): number[] =>
  entries.map((one) => one[field]).filter((one): one is number => typeof one === "number");

/** The figures in a WebRTC statistics report of a session that only sends. */
export function figuresOf(report: RTCStatsReport): NetworkFigures {
  const all: Entry[] = [];
  report.forEach((one: Entry) => all.push(one));
  const of = (type: string) => all.filter((one) => one.type === type);
  const heard = of("remote-inbound-rtp");
  const sent = numbers(of("outbound-rtp"), "packetsSent").reduce((sum, one) => sum + one, 0);
  const lost = numbers(heard, "packetsLost").reduce((sum, one) => sum + Math.max(0, one), 0);
  const pair = of("candidate-pair").find((one) => one["nominated"] && one["state"] === "succeeded");
  const local = all.find((one) => one.id === pair?.["localCandidateId"]);
  const rtt =
    mean(numbers(heard, "roundTripTime").filter((one) => one > 0)) ??
    mean(numbers(pair ? [pair] : [], "currentRoundTripTime"));
  const jitter = mean(numbers(heard, "jitter"));
  return {
    connected: true,
    joinMs: null,
    rttMs: rtt === null ? null : Math.round(rtt * 1000),
    jitterMs: jitter === null ? null : Math.round(jitter * 1000),
    loss: sent > 0 && heard.length > 0 ? Math.min(1, lost / sent) : null,
    relayed: local?.["candidateType"] === "relay",
  };
}

export interface NetworkVerdict {
  /** `good`: a video call; `fair`: a video call, now and then blurred; `poor`: better by voice; `blocked`: none. */
  level: "good" | "fair" | "poor" | "blocked";
  text: string;
  /** What to do; empty when nothing needs doing. */
  advice: string;
}

/** What the figures mean for a call, in words for a patient. */
export function networkVerdict(figures: NetworkFigures): NetworkVerdict {
  if (!figures.connected) {
    return {
      level: "blocked",
      text: "当前网络连不上音视频服务",
      advice:
        "请换一个网络再试（例如关闭无线网，改用手机流量；或关闭 VPN）。仍然不行时，可以用文字沟通",
    };
  }
  const loss = figures.loss ?? 0;
  const rtt = figures.rttMs ?? 0;
  const jitter = figures.jitterMs ?? 0;
  if (loss >= 0.1 || rtt >= 600 || jitter >= 100) {
    return {
      level: "poor",
      text: "网络较差，视频可能卡顿",
      advice: "请靠近路由器，或换一个网络。通话时可以只用语音",
    };
  }
  if (loss >= 0.03 || rtt >= 250 || jitter >= 40) {
    return {
      level: "fair",
      text: "网络一般，画面偶尔会变模糊",
      advice: "请靠近路由器，并停止正在进行的下载",
    };
  }
  return { level: "good", text: "网络良好，可以视频通话", advice: "" };
}
