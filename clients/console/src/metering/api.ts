import { http } from "@/api/http";

export interface UsageDay {
  day: string;
  calls: number;
  minutes: number;
  participant_minutes: number;
  recordings: number;
  stored_bytes: number;
}

export interface UsageQuota {
  used: number;
  /** 0: none was agreed. */
  limit: number;
  percent: number | null;
  level: "none" | "fine" | "near" | "over";
}

export interface Usage {
  since: string | null;
  counted_at: string | null;
  minutes: UsageQuota;
  storage: UsageQuota;
  days: UsageDay[];
}

export const usage = (days: number) => http.get<Usage>("/media-usage", { days });
