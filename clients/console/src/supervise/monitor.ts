/** The open rooms as the monitor knows them: pages of the list, then changes; filtered and sorted. */
import { http } from "@/api/http";
import type { Role } from "@/api/types";
import type { PresenceState } from "@zhenjian/realtime";

export interface MonitorMember {
  user_id: string;
  name: string;
  role: Role;
  presence: PresenceState;
}

export interface MonitorRoom {
  id: string;
  kind: string;
  state: "waiting" | "active";
  seq: number;
  subject: { title: string; consultation_id: string | null };
  lead_id: string | null;
  department_id: string | null;
  department: string | null;
  members: MonitorMember[];
  opened_at: string;
  last_at: string;
  last_word: { role: Role; at: string } | null;
  /** Opened and not taken yet, or the patient's first word that nobody has answered. */
  waits_since: string | null;
  call: { state: string; media: string; since: string; quality: number | null } | null;
}

export interface MonitorPage {
  items: MonitorRoom[];
  next: string | null;
  reply_seconds: number;
  now: string;
}

export type Sort = "waits" | "last" | "opened";

export interface Wanted {
  state: string;
  department: string;
  doctor: string;
  overdue: boolean;
  inCall: boolean;
  q: string;
  sort: Sort;
}

export const monitor = {
  page: (after: string | null) => http.get<MonitorPage>("/monitor/rooms", { after, limit: 500 }),
  word: (room: string) => http.post<{ id: string }>(`/rooms/${room}/word`),
};

export const leadOf = (room: MonitorRoom): MonitorMember | undefined =>
  room.members.find((one) => one.user_id === room.lead_id);
export const patientOf = (room: MonitorRoom): MonitorMember | undefined =>
  room.members.find((one) => one.role === "patient");

export function isOverdue(room: MonitorRoom, now: number, replySeconds: number): boolean {
  return (
    room.state === "active" &&
    room.waits_since !== null &&
    now - Date.parse(room.waits_since) > replySeconds * 1000
  );
}

export class MonitorRooms {
  private readonly known = new Map<string, MonitorRoom>();
  private readonly gone = new Set<string>();

  get size(): number {
    return this.known.size;
  }

  get all(): IterableIterator<MonitorRoom> {
    return this.known.values();
  }

  get(id: string): MonitorRoom | undefined {
    return this.known.get(id);
  }

  /** Begin anew: what is not in the pages that follow is over. */
  restart(): void {
    this.known.clear();
    this.gone.clear();
  }

  /** A page of the list, or rooms that changed: the newer one counts, whichever came first. */
  put(rooms: readonly MonitorRoom[]): void {
    for (const room of rooms) {
      const old = this.known.get(room.id);
      if (!this.gone.has(room.id) && (!old || room.seq >= old.seq)) this.known.set(room.id, room);
    }
  }

  /** Rooms that ended. A page that was read before says nothing against it. */
  drop(ids: readonly string[]): void {
    for (const id of ids) {
      this.known.delete(id);
      this.gone.add(id);
    }
  }

  applyPresence(users: Record<string, PresenceState>): void {
    for (const [id, room] of this.known) {
      if (room.members.some((one) => users[one.user_id])) {
        const members = room.members.map((one) => ({
          ...one,
          presence: users[one.user_id] ?? one.presence,
        }));
        this.known.set(id, { ...room, members });
      }
    }
  }

  list(wanted: Wanted, now: number, replySeconds: number): MonitorRoom[] {
    const words = wanted.q.trim().toLowerCase();
    const fits = (room: MonitorRoom): boolean =>
      (!wanted.state || room.state === wanted.state) &&
      (!wanted.department || room.department_id === wanted.department) &&
      (!wanted.doctor || room.lead_id === wanted.doctor) &&
      (!wanted.overdue || isOverdue(room, now, replySeconds)) &&
      (!wanted.inCall || room.call !== null) &&
      (!words ||
        room.subject.title.toLowerCase().includes(words) ||
        room.members.some((one) => one.name.toLowerCase().includes(words)));
    return [...this.known.values()].filter(fits).sort(ORDERS[wanted.sort]);
  }

  counts(now: number, replySeconds: number) {
    const found = { open: this.known.size, waiting: 0, overdue: 0, inCall: 0 };
    for (const room of this.known.values()) {
      if (room.state === "waiting") found.waiting += 1;
      if (room.call) found.inCall += 1;
      if (isOverdue(room, now, replySeconds)) found.overdue += 1;
    }
    return found;
  }

  /** Doctors and departments of the open rooms, by name, for the filters. */
  choices(): { doctors: [string, string][]; departments: [string, string][] } {
    const doctors = new Map<string, string>();
    const departments = new Map<string, string>();
    for (const room of this.known.values()) {
      const lead = leadOf(room);
      if (lead) doctors.set(lead.user_id, lead.name);
      if (room.department_id) departments.set(room.department_id, room.department ?? "");
    }
    const byName = (found: Map<string, string>) =>
      [...found].sort((a, b) => a[1].localeCompare(b[1], "zh"));
    return { doctors: byName(doctors), departments: byName(departments) };
  }
}

/** Times come from the server in one form, so they compare as text. */
const after = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const ORDERS: Record<Sort, (a: MonitorRoom, b: MonitorRoom) => number> = {
  // Whoever waits longest first; then those with whom nobody waits, the newest first.
  waits: (a, b) =>
    a.waits_since && b.waits_since
      ? after(a.waits_since, b.waits_since) || after(a.id, b.id)
      : a.waits_since
        ? -1
        : b.waits_since
          ? 1
          : after(b.last_at, a.last_at) || after(a.id, b.id),
  last: (a, b) => after(b.last_at, a.last_at) || after(a.id, b.id),
  opened: (a, b) => after(a.opened_at, b.opened_at) || after(a.id, b.id),
};
