import type { DeviceList, MediaPort } from "../../src/media";

/** A track that only knows whether it lives. */
export class FakeTrack {
  enabled = true;
  readyState: "live" | "ended" = "live";
  onended: (() => void) | null = null;
  constructor(
    readonly kind: "audio" | "video",
    readonly id: string,
  ) {}
  stop(): void {
    this.readyState = "ended";
  }
  getSettings(): MediaTrackSettings {
    return { deviceId: this.id };
  }
}

export class FakeStream {
  constructor(private readonly tracks: FakeTrack[] = []) {}
  getTracks(): FakeTrack[] {
    return this.tracks;
  }
}

class FakeSender {
  track: FakeTrack | null = null;
  replaceTrack(track: FakeTrack | null): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }
  getParameters() {
    return { encodings: [{}] };
  }
  setParameters(): Promise<void> {
    return Promise.resolve();
  }
}

/** The offer's SDP is the list of its lines: "0 audio,1 video,2 audio u_someone". */
export class FakePeerConnection {
  connectionState: RTCPeerConnectionState = "new";
  ontrack: ((event: RTCTrackEvent) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  localDescription: { type: string; sdp: string } | null = null;
  readonly transceivers: {
    mid: string;
    direction: string;
    sender: FakeSender;
    receiver: { track: FakeTrack };
  }[] = [];
  closed = false;

  constructor(public configuration: RTCConfiguration) {}

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }
  getTransceivers() {
    return this.transceivers;
  }
  setRemoteDescription(offer: { sdp: string }): Promise<void> {
    for (const line of offer.sdp.split(",")) {
      const [mid = "", kind = "audio", stream] = line.split(" ");
      if (this.transceivers.some((known) => known.mid === mid)) continue;
      const track = new FakeTrack(kind as "audio" | "video", `remote-${mid}`);
      const direction = stream ? "recvonly" : "inactive";
      this.transceivers.push({ mid, direction, sender: new FakeSender(), receiver: { track } });
      if (stream) {
        const event = { track, streams: [{ id: stream }] };
        this.ontrack?.(event as unknown as RTCTrackEvent);
      }
    }
    return Promise.resolve();
  }
  createAnswer() {
    const sdp = this.transceivers.map((t) => `${t.mid} ${t.direction}`).join(",");
    return Promise.resolve({ type: "answer", sdp });
  }
  setLocalDescription(answer: { type: string; sdp: string }): Promise<void> {
    this.localDescription = answer;
    return Promise.resolve();
  }
  readonly statistics = new Map<string, unknown>();
  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(new Map(this.statistics));
  }
  close(): void {
    this.closed = true;
    this.connectionState = "closed";
  }
  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

export class FakeMedia implements MediaPort {
  readonly connections: FakePeerConnection[] = [];
  readonly opened: FakeTrack[] = [];
  fail: { microphone?: Error; camera?: Error; screen?: Error } = {};

  microphone(deviceId: string | null): Promise<MediaStreamTrack> {
    return this.open("audio", deviceId ?? "mic", this.fail.microphone);
  }
  camera(deviceId: string | null): Promise<MediaStreamTrack> {
    return this.open("video", deviceId ?? "cam", this.fail.camera);
  }
  screen(): Promise<MediaStreamTrack> {
    return this.open("video", "screen", this.fail.screen);
  }
  devices(): Promise<DeviceList> {
    const cameras = ["cam", "cam2"].map((deviceId) => ({ deviceId }) as MediaDeviceInfo);
    return Promise.resolve({ microphones: [], cameras, speakers: [] });
  }
  onDeviceChange(): () => void {
    return () => undefined;
  }
  changeNetwork: () => void = () => undefined;
  onNetworkChange(listener: () => void): () => void {
    this.changeNetwork = listener;
    return () => (this.changeNetwork = () => undefined);
  }
  peerConnection(configuration: RTCConfiguration): RTCPeerConnection {
    const connection = new FakePeerConnection(configuration);
    this.connections.push(connection);
    return connection as unknown as RTCPeerConnection;
  }
  private open(kind: "audio" | "video", id: string, failure?: Error): Promise<MediaStreamTrack> {
    if (failure) return Promise.reject(failure);
    const track = new FakeTrack(kind, id);
    this.opened.push(track);
    return Promise.resolve(track as unknown as MediaStreamTrack);
  }
}
