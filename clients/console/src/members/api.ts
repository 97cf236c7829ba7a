import { http } from "@/api/http";
import type { Message, Page, Role, RoomView } from "@/api/types";
import type { PresenceState } from "@zhenjian/realtime";

export interface RoomPerson {
  user_id: string;
  role: Role;
}

export interface Colleague extends RoomPerson {
  name: string;
  avatar: string | null;
  title: string;
  department_id: string | null;
  department: string | null;
  presence: PresenceState;
  last_seen: string | null;
}

export interface MyRoom {
  room: RoomView;
  last_message: Message | null;
  unread: number;
}

const person = (one: RoomPerson): RoomPerson => ({ user_id: one.user_id, role: one.role });

/** Members of rooms, and the rooms that people open themselves. */
export const members = {
  search: (filter: { q?: string; department_id?: string; role?: string }) =>
    http.get<Colleague[]>("/colleagues", filter),
  invite: (room: string, people: RoomPerson[], reason = "") =>
    http.post<RoomView>(`/rooms/${room}/members`, { people: people.map(person), reason }),
  remove: (room: string, user: string, reason = "") =>
    http.post<RoomView>(`/rooms/${room}/members/${user}/removal`, { reason }),
  leave: (room: string) => http.post<void>(`/rooms/${room}/leave`),
  handOver: (room: string, to: RoomPerson, reason = "") =>
    http.post<void>(`/rooms/${room}/hand-over`, { to: person(to), reason }),
  end: (room: string, reason = "") => http.post<void>(`/rooms/${room}/end`, { reason }),
  talkTo: (to: RoomPerson) => http.post<RoomView>("/rooms/colleague", person(to)),
  openGroup: (title: string, people: RoomPerson[]) =>
    http.post<RoomView>("/rooms/group", { title, people: people.map(person) }),
  waiting: () => http.get<RoomView[]>("/rooms/service/waiting"),
  take: (room: string) => http.post<RoomView>(`/rooms/${room}/take`),
  askService: () => http.post<RoomView>("/rooms/service"),
  mine: (kind: string, cursor: string | null) =>
    http.get<Page<MyRoom>>("/rooms/mine", { kind, cursor, limit: 30 }),
};
