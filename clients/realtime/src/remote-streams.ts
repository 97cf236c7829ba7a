/** Pictures and sound of the others, by user id. The map is replaced by each change. */
export class RemoteStreams {
  private current: ReadonlyMap<string, MediaStream> = new Map();

  constructor(private readonly changed: (streams: ReadonlyMap<string, MediaStream>) => void) {}

  get all(): ReadonlyMap<string, MediaStream> {
    return this.current;
  }

  /** A newer track of the same kind takes the place of the older one. */
  add(user: string, track: MediaStreamTrack): void {
    const others = this.current.get(user)?.getTracks() ?? [];
    const kept = others.filter((other) => other.kind !== track.kind && other.readyState === "live");
    this.put(user, [...kept, track]);
  }

  remove(user: string, track: MediaStreamTrack): void {
    const others = this.current.get(user)?.getTracks();
    if (others) {
      this.put(
        user,
        others.filter((other) => other !== track),
      );
    }
  }

  drop(user: string): void {
    if (this.current.has(user)) this.put(user, []);
  }

  clear(): void {
    this.current = new Map();
    this.changed(this.current);
  }

  private put(user: string, tracks: MediaStreamTrack[]): void {
    const next = new Map(this.current);
    if (tracks.length > 0) next.set(user, new MediaStream(tracks));
    else next.delete(user);
    this.current = next;
    this.changed(next);
  }
}
