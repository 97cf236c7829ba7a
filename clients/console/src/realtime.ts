import {
  CallClient,
  MediaError,
  OngoingCalls,
  RoomClient,
  webStorage,
  type CallQuality,
  type CallStatus,
  type CallView,
  type ConnectionState,
  type DeviceList,
  type InboxItem,
  type RealtimeError,
} from "@zhenjian/realtime";
import { computed, shallowReactive } from "vue";
import { inbox } from "@/api";
import { accessToken, refresh } from "@/api/http";
import { deviceId, session } from "@/session";

const IN_CALL = "zhenjian.call";

interface Live {
  connection: ConnectionState;
  inbox: InboxItem[];
  unread: number;
  call: CallStatus | null;
  /** Calls that go on, by room, whether we are in them or not. */
  ongoing: ReadonlyMap<string, CallView>;
  local: MediaStream | null;
  remotes: ReadonlyMap<string, MediaStream>;
  screens: ReadonlyMap<string, MediaStream>;
  quality: ReadonlyMap<string, CallQuality>;
  devices: DeviceList;
}

/** What the pages watch of the connection. Each field is replaced, never changed inside. */
export const live = shallowReactive<Live>({
  connection: { phase: "idle", reason: null, since: 0 },
  inbox: [],
  unread: 0,
  call: null,
  ongoing: new Map(),
  local: null,
  remotes: new Map(),
  screens: new Map(),
  quality: new Map(),
  devices: { microphones: [], cameras: [], speakers: [] },
});

export const inCall = computed(() => {
  const phase = live.call?.phase;
  return phase !== undefined && phase !== "idle" && phase !== "ended";
});

let client: RoomClient | null = null;
let calls: CallClient | null = null;
let ongoing: OngoingCalls | null = null;
const started = new Set<(client: RoomClient) => void>();

/** Runs now and after every new login; for whoever follows events for as long as the page lives. */
export function whenStarted(listener: (client: RoomClient) => void): void {
  started.add(listener);
  if (client) listener(client);
}

export function rooms(): RoomClient {
  if (!client) throw new Error("The connection is opened after login.");
  return client;
}

export function callClient(): CallClient {
  if (!calls) throw new Error("The connection is opened after login.");
  return calls;
}

/** What the server says of the call in a room, asked anew. */
export function noteCall(room: string, call: CallView | null): void {
  ongoing?.note(room, call);
}

export function startRealtime(handlers: {
  revoked: (code: string) => void;
  problem: (text: string) => void;
}): void {
  const user = session.user;
  if (client || !user) return;
  client = new RoomClient({
    url: "",
    device: deviceId(),
    token: accessToken,
    refresh,
    storage: webStorage(),
    storageKey: `zhenjian.outgoing.${user.id}`,
    fetchInbox: (after) => inbox.after(after),
  });
  client.on("state", (state) => {
    live.connection = state;
    if (state.phase === "refused") handlers.revoked(state.reason ?? "session_revoked");
  });
  client.inbox.on("change", () => {
    if (!client) return;
    live.inbox = client.inbox.items;
    live.unread = client.inbox.unread;
  });
  ongoing = new OngoingCalls(client, (found) => (live.ongoing = found));
  startCalls(client, user.id, handlers.problem);
  client.connect();
  for (const listener of started) listener(client);
}

function startCalls(signalling: RoomClient, userId: string, tell: (text: string) => void): void {
  calls = new CallClient({
    signalling,
    userId,
    device: deviceId(),
    // The tabs of one browser share a device: only the tab that was in the call takes it up again.
    mayRejoin: (call) => sessionStorage.getItem(IN_CALL) === call.id,
  });
  calls.on("status", (status) => {
    live.call = status;
    if (status.phase === "ended" || status.phase === "idle") sessionStorage.removeItem(IN_CALL);
    else if (status.call) sessionStorage.setItem(IN_CALL, status.call.id);
  });
  calls.on("local", (stream) => (live.local = stream));
  calls.on("remotes", (streams) => (live.remotes = streams));
  calls.on("screens", (streams) => (live.screens = streams));
  calls.on("quality", (quality) => (live.quality = quality));
  calls.on("devices", (devices) => (live.devices = devices));
  calls.on("problem", (problem: RealtimeError | MediaError) => {
    // A device problem is shown inside the call window.
    if (!(problem instanceof MediaError)) tell(problem.message);
  });
}

export function stopRealtime(): void {
  calls?.destroy();
  ongoing?.stop();
  client?.disconnect();
  client?.removeAll();
  calls = null;
  client = null;
  Object.assign(live, { inbox: [], unread: 0, call: null, ongoing: new Map(), local: null });
}

window.addEventListener("online", () => client?.wake());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") client?.wake();
});
