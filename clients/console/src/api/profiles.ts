import { http } from "@/api/http";
import type { FileRef, Page } from "@/api/types";

export interface Period {
  place: string;
  role: string;
  /** Month, as in 2012-07. */
  since: string;
  until: string | null;
}

export interface Profile {
  sex: "male" | "female";
  practice_start: string;
  contact_phone: string | null;
  email: string | null;
  expertise: string;
  introduction: string;
  /** What a pharmacist advises on. */
  medication_fields: string[];
  education: Period[];
  work: Period[];
}

export type ReviewState = "submitted" | "approved" | "rejected" | "withdrawn";

export interface Certificate {
  id: string;
  kind: string;
  name: string;
  number_masked: string;
  issued_on: string;
  valid_until: string | null;
  file: FileRef | null;
  state: ReviewState;
  submitted_at: string;
  reason: string | null;
}

export interface OwnProfile {
  active: boolean;
  content: Profile | null;
  pending: Profile | null;
  pending_since: string | null;
  rejected_reason: string | null;
  certificates: Certificate[];
}

export interface CertificateForm {
  kind: string;
  name: string;
  number: string;
  issued_on: string;
  valid_until: string | null;
  file_id: string;
}

export interface SubmissionLine {
  id: string;
  user_id: string;
  name: string;
  first: boolean;
  state: ReviewState;
  submitted_at: string;
  decided_at: string | null;
}

export interface Submission extends SubmissionLine {
  before: Profile | null;
  after: Profile;
  reason: string | null;
}

export interface CertificateLine extends Certificate {
  user_id: string;
  owner: string;
}

export const CERTIFICATES: Record<string, string> = {
  practising_licence: "执业证书",
  qualification: "资格证书",
  title: "职称证书",
  training: "培训证书",
  other: "其他",
};

export const STATES: Record<ReviewState, string> = {
  submitted: "待审核",
  approved: "已通过",
  rejected: "未通过",
  withdrawn: "已撤回",
};

export const profiles = {
  own: () => http.get<OwnProfile>("/me/profile"),
  handIn: (profile: Profile) => http.post<OwnProfile>("/me/profile/submissions", profile),
  addCertificate: (form: CertificateForm) => http.post<Certificate>("/me/certificates", form),
  withdrawCertificate: (id: string) => http.delete<void>(`/me/certificates/${id}`),
};

export const reviews = {
  submissions: (state: ReviewState, cursor?: string | null) =>
    http.get<Page<SubmissionLine>>("/profile-submissions", { state, cursor }),
  submission: (id: string) => http.get<Submission>(`/profile-submissions/${id}`),
  decideProfile: (id: string, approved: boolean, reason: string) =>
    http.post<Submission>(`/profile-submissions/${id}/decision`, { approved, reason }),
  certificates: (state: ReviewState, cursor?: string | null) =>
    http.get<Page<CertificateLine>>("/staff-certificates", { state, cursor }),
  decideCertificate: (id: string, approved: boolean, reason: string) =>
    http.post<Certificate>(`/staff-certificates/${id}/decision`, { approved, reason }),
};
