import type {
  CertificatePurpose,
  CertificateStanding,
  Chain,
  Format,
  Operation,
  Policy,
  Revoking,
  ServerKey,
} from "@/signature/api";

export const STANDINGS: Record<CertificateStanding, string> = {
  good: "有效",
  not_yet: "未生效",
  expired: "已过期",
  revoked: "已吊销",
};
export const STANDING_TONE = {
  good: "primary",
  not_yet: "warning",
  expired: "info",
  revoked: "danger",
} as const;
export const PURPOSES: Record<CertificatePurpose, string> = {
  authority: "CA证书",
  signature: "签名",
  encryption: "加密",
  timestamp: "时间戳",
  ocsp: "OCSP",
};
export const OPERATIONS: Record<Operation, string> = {
  sign: "签名",
  verify: "验签",
  find_certificates: "获取证书",
  verify_certificate: "验证证书",
};
export const FORMATS: Record<Format, string> = {
  raw: "PKCS#1 裸签名",
  cms_attached: "PKCS#7 带原文",
  cms_detached: "PKCS#7 不带原文",
};
export const REVOKING: Record<Revoking, string> = {
  none: "不检查",
  crl: "吊销列表（CRL）",
  ocsp: "在线查询（OCSP）",
  ocsp_then_crl: "先在线查询，再查吊销列表",
};
/** For columns. */
export const REVOKING_SHORT: Record<Revoking, string> = {
  none: "不检查",
  crl: "CRL",
  ocsp: "OCSP",
  ocsp_then_crl: "OCSP、CRL",
};
export const ALGORITHMS: Record<string, string> = {
  SM3withSM2: "SM2（SM3）",
  SHA256withRSA: "RSA（SHA-256）",
};
export const KEY_STATES: Record<ServerKey["state"], string> = {
  requested: "申请中",
  active: "使用中",
  refused: "CA未通过",
  retired: "已停用",
};
const REASONS: Record<string, string> = {
  key_compromise: "私钥泄露",
  affiliation_changed: "人员离岗",
  superseded: "已更换",
  cessation_of_operation: "停止使用",
  unspecified: "未说明",
};

/** What is known about revocation, in one line. */
export function revocationText(chain: Chain): string {
  const source = chain.revocation_source === "ocsp" ? "在线查询" : "吊销列表";
  switch (chain.revocation) {
    case "good":
      return `未吊销（${source}）`;
    case "revoked":
      return `已吊销，原因：${REASONS[chain.revoke_reason ?? ""] ?? "未说明"}`;
    case "unknown":
      return "暂时无法向CA机构确认";
    default:
      return "未检查";
  }
}

export function freshPolicy(): Policy {
  return {
    name: "",
    enabled: true,
    proof: "secret",
    certificate_id: null,
    server_key_id: null,
    anchors: null,
    revoking: "ocsp_then_crl",
    hard: false,
    operations: ["sign", "verify", "find_certificates", "verify_certificate"],
    formats: ["raw", "cms_attached", "cms_detached"],
    addresses: [],
    per_minute: 6000,
  };
}

const ADDRESS = /^[0-9a-fA-F:.]+(\/\d{1,3})?$/;

/** One address or network a line, or separated by commas. */
export function addressesOf(text: string): string[] {
  return text
    .split(/[\s,，;；]+/)
    .map((part) => part.trim())
    .filter(Boolean);
}

/** What keeps a policy from being saved, by field. */
export function policyProblems(policy: Policy, addresses: string): Record<string, string> {
  const found: Record<string, string> = {};
  if (!policy.name.trim()) found["name"] = "请填写业务系统名称";
  if (policy.proof === "certificate" && !policy.certificate_id)
    found["certificate_id"] = "请选择业务系统的证书";
  if (policy.operations.includes("sign") && !policy.server_key_id)
    found["server_key_id"] = "签名需要选择服务器证书";
  if (policy.operations.length === 0) found["operations"] = "请至少选择一项功能";
  if (policy.operations.includes("sign") && policy.formats.length === 0)
    found["formats"] = "请至少选择一种格式";
  if (policy.anchors?.length === 0) found["anchors"] = "请选择信任的根证书，或改为信任全部";
  const wrong = addressesOf(addresses).find((part) => !ADDRESS.test(part));
  if (wrong) found["addresses"] = `「${wrong}」不是 IP 地址或网段`;
  return found;
}

/** The bytes of a file as Base64. */
export async function base64Of(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
