import { describe, expect, it } from "vitest";
import type { Chain } from "@/signature/api";
import { addressesOf, freshPolicy, policyProblems, revocationText } from "@/signature/words";

const good = () => ({ ...freshPolicy(), name: "医院信息系统", server_key_id: "key" });

describe("the policy of an application", () => {
  it("is complete with a name and a key that signs", () => {
    expect(policyProblems(good(), "")).toEqual({});
  });

  it("says beside the field what is missing", () => {
    const policy = { ...freshPolicy(), proof: "certificate" as const, anchors: [] };
    expect(Object.keys(policyProblems(policy, ""))).toEqual([
      "name",
      "certificate_id",
      "server_key_id",
      "anchors",
    ]);
    expect(policyProblems({ ...good(), operations: [] }, "")["operations"]).toBeTruthy();
    expect(policyProblems({ ...good(), formats: [] }, "")["formats"]).toBeTruthy();
  });

  it("needs no key and no format where nothing is signed", () => {
    const policy = { ...good(), operations: ["verify" as const], server_key_id: null, formats: [] };
    expect(policyProblems(policy, "")).toEqual({});
  });

  it("takes addresses by line and by comma, and names the wrong one", () => {
    expect(addressesOf("10.1.2.3\n10.2.0.0/16，::1 ")).toEqual(["10.1.2.3", "10.2.0.0/16", "::1"]);
    expect(policyProblems(good(), "10.1.2.3, his.local")["addresses"]).toContain("his.local");
  });
});

describe("what is known about revocation", () => {
  const chain = (over: Partial<Chain>): Chain => ({
    at: "",
    ok: true,
    problems: [],
    links: [],
    revocation: "good",
    revocation_source: "ocsp",
    revocation_as_of: null,
    revoked_at: null,
    revoke_reason: null,
    ...over,
  });

  it("is told with its source or its reason", () => {
    expect(revocationText(chain({}))).toBe("未吊销（在线查询）");
    expect(revocationText(chain({ revocation_source: "crl" }))).toBe("未吊销（吊销列表）");
    expect(
      revocationText(chain({ revocation: "revoked", revoke_reason: "key_compromise" })),
    ).toContain("私钥泄露");
    expect(revocationText(chain({ revocation: "unknown" }))).toContain("无法");
  });
});
