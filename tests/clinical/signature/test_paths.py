"""Chains: found, judged, revoked, and hostile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import ocsp as asn1_ocsp

from clinical.sandbox.ca import answers
from clinical.sandbox.ca.building import Revoked
from clinical.signature.certificates.paths import Evidence
from clinical.signature.certificates.states import Purpose, Revoking
from clinical.signature.certificates.store import purposes, read_file
from clinical.signature.formats import ocsp
from clinical.signature.formats.crl import read_revocation_list
from clinical.signature.formats.ocsp import Question, read_answer
from clinical.signature.formats.verdicts import RevocationState, Usage
from core.crypto import sm2
from tests.clinical.signature.authority_chains import AUTHORITY, SIGNING, Chain

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def chain() -> Chain:
    made = Chain(NOW)
    made.add("doctor", "issuing")
    return made


def problems(chain: Chain, name: str, at: datetime = NOW, **trust: Any) -> list[str]:
    fields: dict[str, Any] = {"intermediates": (chain["issuing"],), **trust}
    found = chain.trust(**fields).assess(chain[name], (), at, Usage.SIGNATURE)
    return [problem.code for problem in found.problems]


@pytest.mark.requirement("S4-090")
def test_chains_of_several_authorities_are_believed_side_by_side() -> None:
    chains = [Chain(NOW, kind) for kind in ("sm2", "rsa")]
    trust = chains[0].trust(
        anchors=tuple(each["root"] for each in chains),
        intermediates=tuple(each["issuing"] for each in chains),
    )
    for each in chains:
        each.add("doctor", "issuing")
        result = trust.assess(each["doctor"], (), NOW, Usage.SIGNATURE)
        assert result.ok
        assert result.path[-1] == each["root"]


def test_an_intermediate_may_come_with_the_message_but_is_not_believed_for_it(
    chain: Chain,
) -> None:
    bare = chain.trust()
    assert [
        problem.code for problem in bare.assess(chain["doctor"], (), NOW, Usage.SIGNATURE).problems
    ] == ["chain_untrusted"]
    assert bare.assess(chain["doctor"], [chain["issuing"]], NOW, Usage.SIGNATURE).ok
    stranger = Chain(NOW)
    stranger.add("doctor", "issuing")
    brought = [stranger["issuing"], stranger["root"]]
    assert not bare.assess(stranger["doctor"], brought, NOW, Usage.SIGNATURE).ok


def test_an_anchor_need_not_be_a_root(chain: Chain) -> None:
    trust = chain.trust(anchors=(chain["issuing"],))
    result = trust.assess(chain["doctor"], (), NOW, Usage.SIGNATURE)
    assert result.ok
    assert result.path[-1] == chain["issuing"]


def test_validity_is_judged_at_the_moment(chain: Chain) -> None:
    assert problems(chain, "doctor", NOW) == []
    assert "certificate_not_yet_valid" in problems(chain, "doctor", NOW - timedelta(days=2))
    assert "certificate_expired" in problems(chain, "doctor", NOW + timedelta(days=366))


def test_somebody_elses_certificate_is_no_authority() -> None:
    chain = Chain(NOW)
    chain.add("doctor", "issuing")
    chain.add("forged", "doctor")
    trusted = (chain["issuing"], chain["doctor"])
    found = problems(chain, "forged", intermediates=trusted)
    # The doctor is no authority, and the issuing one allows no further authority below.
    assert found == ["issuer_not_authority", "path_length_exceeded"]


def test_uses_and_unknown_critical_words_are_heeded() -> None:
    chain = Chain(NOW)
    chain.add("cipher", "issuing", usage=frozenset({"key_encipherment"}))
    assert problems(chain, "cipher") == ["usage_forbidden"]
    chain.add("clock", "issuing", extended=("time_stamping",))
    trust = chain.trust(intermediates=(chain["issuing"],))
    assert trust.assess(chain["clock"], (), NOW, Usage.TIMESTAMP).ok
    chain.add("doctor", "issuing")
    assert not trust.assess(chain["doctor"], (), NOW, Usage.TIMESTAMP).ok


def test_names_and_keys_of_one_authority_do_not_confuse_the_search() -> None:
    first, second = Chain(NOW), Chain(NOW)
    second.add("doctor", "issuing")
    # Both chains have the same names; only keys and signatures tell them apart.
    trust = second.trust(intermediates=(first["issuing"], second["issuing"], first["root"]))
    assert trust.assess(second["doctor"], (), NOW, Usage.SIGNATURE).ok


def test_a_ring_of_authorities_and_a_crowd_of_them_end_the_search() -> None:
    chain = Chain(NOW)
    chain.add("a", "root", authority=True, usage=AUTHORITY)
    chain.add("b", "a", authority=True, usage=AUTHORITY)
    chain.add("a", "b", authority=True, usage=AUTHORITY, signer=chain.keys["a"])
    stranger = Chain(NOW)
    found = stranger.trust().assess(chain["b"], [chain["a"], chain["b"]], NOW, Usage.CRL)
    assert "chain_untrusted" in [problem.code for problem in found.problems]


# --- revocation ----------------------------------------------------------------------------------


def by_list(chain: Chain, *revoked: Revoked, at: datetime = NOW, hours: int = 12) -> Evidence:
    return Evidence([read_revocation_list(chain.crl(*revoked, at=at, hours=hours))])


@pytest.mark.requirement("S4-095")
def test_a_list_says_good_revoked_or_too_old(chain: Chain) -> None:
    revoked = Revoked(chain["doctor"].serial, NOW - timedelta(minutes=30), "left")
    policy: dict[str, Any] = {"revoking": Revoking.CRL, "hard": False}
    assert problems(chain, "doctor", evidence=by_list(chain), **policy) == []
    assert problems(chain, "doctor", evidence=by_list(chain, revoked), **policy) == [
        "certificate_revoked"
    ]
    # The certificate was good until it was taken back.
    before = NOW - timedelta(minutes=45)
    assert problems(chain, "doctor", before, evidence=by_list(chain, revoked), **policy) == []
    old = by_list(chain, at=NOW - timedelta(days=3))
    assert problems(chain, "doctor", evidence=old, **policy) == []
    hard = problems(chain, "doctor", evidence=old, revoking=Revoking.CRL, hard=True)
    assert "revocation_unknown" in hard


def test_a_list_that_somebody_else_signed_is_not_heard(chain: Chain) -> None:
    stranger = Chain(NOW)
    revoked = Revoked(chain["doctor"].serial, NOW - timedelta(hours=1), "left")
    forged = by_list(stranger, revoked)
    found = problems(chain, "doctor", evidence=forged, revoking=Revoking.CRL, hard=False)
    assert found == []
    whole = bytearray(chain.crl(revoked))
    whole[-1] ^= 1
    spoiled = Evidence([read_revocation_list(bytes(whole))])
    assert problems(chain, "doctor", evidence=spoiled, revoking=Revoking.CRL, hard=False) == []


def asked(chain: Chain, record: dict[str, Any] | None, **fault: Any) -> ocsp.OcspAnswer:
    question = Question.about(chain["doctor"], chain["issuing"])
    request = asn1_ocsp.OCSPRequest.load(question.der)
    responder = chain.issuer("responder")
    data = answers.ocsp_answer(request, responder, lambda serial: record, NOW, **fault)
    answer = read_answer(data)
    assert ocsp.answers(answer, question, chain["doctor"])
    return answer


@pytest.mark.requirement("S4-095")
def test_a_responder_says_good_revoked_or_nothing() -> None:
    chain = Chain(NOW)
    chain.add("doctor", "issuing")
    chain.add("responder", "issuing", extended=("ocsp_signing",))
    revoked = {"revoked_at": (NOW - timedelta(hours=1)).isoformat(), "reason": "key_compromise"}
    policy: dict[str, Any] = {"revoking": Revoking.OCSP, "hard": False}
    name = chain["doctor"].fingerprint
    told = Evidence(answers={name: asked(chain, {})})
    trust = chain.trust(intermediates=(chain["issuing"],), evidence=told, **policy)
    result = trust.assess(chain["doctor"], (), NOW, Usage.SIGNATURE)
    assert result.ok
    assert (result.revocation.state, result.revocation.source) == (RevocationState.GOOD, "ocsp")
    told = Evidence(answers={name: asked(chain, revoked)})
    assert problems(chain, "doctor", evidence=told, **policy) == ["certificate_revoked"]
    for nothing in (asked(chain, None), asked(chain, {}, spoiled=True)):
        told = Evidence(answers={name: nothing})
        hard = {"revoking": Revoking.OCSP, "hard": True}
        assert "revocation_unknown" in problems(chain, "doctor", evidence=told, **hard)


def test_nobody_makes_himself_a_responder() -> None:
    chain = Chain(NOW)
    chain.add("doctor", "issuing")
    chain.add("responder", "issuing")
    told = Evidence(answers={chain["doctor"].fingerprint: asked(chain, {})})
    found = problems(chain, "doctor", evidence=told, revoking=Revoking.OCSP, hard=True)
    assert "revocation_unknown" in found


def test_one_source_that_says_revoked_outweighs_the_other() -> None:
    chain = Chain(NOW)
    chain.add("doctor", "issuing")
    chain.add("responder", "issuing", extended=("ocsp_signing",))
    revoked = Revoked(chain["doctor"].serial, NOW - timedelta(minutes=1), "left")
    both = Evidence(
        [read_revocation_list(chain.crl(revoked))],
        {chain["doctor"].fingerprint: asked(chain, {})},
    )
    found = problems(chain, "doctor", evidence=both, revoking=Revoking.OCSP_THEN_CRL)
    assert found == ["certificate_revoked"]


# --- files ---------------------------------------------------------------------------------------


def test_a_certificate_says_what_it_is_for() -> None:
    chain = Chain(NOW)
    both = SIGNING | {"key_encipherment"}
    assert purposes(chain["root"]) == [Purpose.AUTHORITY]
    assert purposes(chain.add("both", "issuing", usage=both)) == [
        Purpose.SIGNATURE,
        Purpose.ENCRYPTION,
    ]
    assert purposes(chain.add("clock", "issuing", extended=("time_stamping",))) == [
        Purpose.TIMESTAMP
    ]


def test_a_file_may_hold_several_certificates(chain: Chain) -> None:
    text = "".join(chain[name].pem for name in ("doctor", "issuing", "root"))
    assert [each.common_name for each in read_file(text.encode())] == [
        "doctor",
        "issuing",
        "root",
    ]
    assert read_file(chain["root"].der) == [chain["root"]]
    assert sm2.PublicKey.from_der(chain["root"].public_der).point[0] == 4
