export * from "./types";
export * from "./errors";
export { Emitter } from "./emitter";
export { memoryStorage, webStorage, type StoragePort } from "./storage";
export { SequenceLog, type Accepted } from "./sequence";
export { OutgoingQueue, type Outgoing, type OutgoingState } from "./queue";
export {
  socketIoPort,
  type SocketFactory,
  type SocketHandlers,
  type SocketOptions,
  type SocketPort,
} from "./socket";
export {
  Connection,
  type ConnectionOptions,
  type ConnectionPhase,
  type ConnectionState,
} from "./connection";
export { Bursts, BURST_MS } from "./bursts";
export { Inbox, type FetchInbox, type InboxPage } from "./inbox";
export { HistoryWindow } from "./history";
export { Room, type JoinAnswer, type RoomEvents } from "./room";
export type { Draft } from "./sender";
export { RoomClient, type RoomClientEvents, type RoomClientOptions } from "./room-client";
export { CallClient } from "./call-client";
export { handsOf, moderates, peopleIn } from "./call-lecture";
export { OngoingCalls } from "./call-ongoing";
export type {
  CallClientEvents,
  CallClientOptions,
  CallPhase,
  CallSignalling,
  CallStatus,
} from "./call-types";
export {
  browserMedia,
  MediaError,
  MEDIA_PROBLEM_TEXT,
  mediaProblem,
  type DeviceChoice,
  type DeviceList,
  type MediaPort,
  type MediaProblem,
} from "./media";
export {
  patiently,
  RESUMABLE_FROM,
  ResumableUpload,
  UploadCancelled,
  UploadPaused,
  UploadRefused,
  type UploadAnswer,
  type UploadPort,
  type UploadProgress,
  type UploadRequest,
  type UploadSource,
  type UploadStage,
} from "./uploads/resumable";
export { newClientId } from "./ids";
export {
  socketTaskTransport,
  SocketTaskWebSocket,
  type SocketTask,
} from "./transports/socket-task";
export { oneLine } from "./one-line";
export { STICKERS, stickerOf, type Sticker } from "./stickers";
export * from "./playback";
export * from "./check/device-check";
export * from "./check/network";
export * from "./check/sound";
export * from "./check/support";
