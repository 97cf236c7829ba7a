import { http } from "@/api/http";

export type KeyPurpose = "data" | "index" | "row" | "ticket" | "token" | "file";
export type KeyStage = "published" | "current" | "retired" | "destroyed";
export type KeyWarning =
  | "kek_old"
  | "no_backup"
  | "backup_old"
  | "keys_uncovered"
  | "no_drill"
  | "drill_old"
  | "drill_failed"
  | "old_key_file"
  | "converting"
  | "run_with_failures";

export interface KeyRunPart {
  target: string;
  total: number;
  seen: number;
  changed: number;
  failed: number;
  error: string | null;
  finished: boolean;
}

/** A re-encryption; `done` goes from 0 to 1. */
export interface KeyRun {
  id: string;
  kind: "rotate" | "convert";
  /** Null for one that is about everything. */
  hospital: string | null;
  state: "running" | "done" | "cancelled";
  started_at: string;
  begin_at: string;
  finished_at: string | null;
  started_by: string | null;
  done: number;
  failed: number;
  parts: KeyRunPart[];
}

export interface KeysState {
  kek: {
    id: string;
    provider: "file" | "pkcs11";
    activated_at: string;
    age_days: number;
    old_versions: number;
  } | null;
  backup: { at: string; officers: number; needed: number; uncovered: number } | null;
  drill: { at: string; ok: boolean; samples: number; problem: string | null } | null;
  runs: KeyRun[];
  warnings: KeyWarning[];
  may_rotate: boolean;
  may_rotate_all: boolean;
}

/** A data key without its secret; `hospital` is null for a key of the group. */
export interface DataKey {
  purpose: KeyPurpose;
  id: string;
  hospital: string | null;
  period: string | null;
  stage: KeyStage;
  created_at: string;
  active_from: string | null;
  retired_at: string | null;
  backed_up: boolean;
}

export const keys = {
  state: () => http.get<KeysState>("/keys"),
  data: (retired: boolean) => http.get<DataKey[]>("/keys/data", { retired: String(retired) }),
  rotate: (scope: "own" | "all") => http.post<KeyRun>("/keys/rotations", { scope }),
};
