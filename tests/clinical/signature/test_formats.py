"""Signed messages: written, verified, changed, stamped, and mangled in every way."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core as asn1
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.sandbox.ca.building import Revoked
from clinical.sandbox.ca.signers import verifies
from clinical.signature.certificates.paths import Evidence
from clinical.signature.certificates.states import Revoking
from clinical.signature.formats import cms, ocsp, oids, raw, timestamps
from clinical.signature.formats.checking import digest_with
from clinical.signature.formats.cms import Signatory, WrongKey
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.crl import read_revocation_list
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.x509 import read_any, read_certificate
from core.crypto import der, sm2
from core.crypto.sm import sm3
from tests.clinical.signature.authority_chains import Chain

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DATA = "小结：继续服药，两周后复诊。".encode()


@pytest.fixture(scope="module", params=["sm2", "rsa"])
def chain(request: pytest.FixtureRequest) -> Chain:
    made = Chain(NOW, request.param)
    made.add("doctor", "issuing")
    made.add("nurse", "issuing")
    return made


def message(chain: Chain, *, detached: bool = False, who: str = "doctor") -> bytes:
    others = [chain["issuing"].der]
    return cms.sign(DATA, chain.key(who), chain[who].der, others, detached, NOW)


@pytest.mark.requirement("S4-097", "S4-098")
@pytest.mark.parametrize("detached", [False, True])
def test_a_message_says_who_when_and_with_which_certificate(chain: Chain, detached: bool) -> None:
    result = cms.verify(message(chain, detached=detached), DATA, chain.trust())
    assert (result.valid, result.valid_now, result.problems) == (True, True, ())
    assert result.gm is (chain.kind == "sm2")
    assert result.attached is not detached
    [signer] = result.signers
    assert (signer.signer, signer.signed_at, signer.proven) == ("doctor", NOW, False)
    assert signer.certificate == chain["doctor"]
    assert signer.then is not None
    assert [each.common_name for each in signer.then.path] == ["doctor", "issuing", "root"]


def codes(found: bytes, data: bytes | None, chain: Chain) -> list[str]:
    return [problem.code for problem in cms.verify(found, data, chain.trust()).problems]


def test_what_is_wrong_is_named(chain: Chain) -> None:
    detached = message(chain, detached=True)
    assert codes(detached, DATA + b"!", chain) == ["digest_mismatch"]
    assert codes(detached, None, chain) == ["content_missing"]
    attached = message(chain)
    assert codes(attached, b"something else", chain) == ["digest_mismatch"]
    changed = attached.replace(DATA, bytes(reversed(DATA)))
    assert codes(changed, None, chain) == ["digest_mismatch"]
    at = attached.rfind(b"\x04", 0, -60)
    spoiled = attached[:-1] + bytes([attached[-1] ^ 1])
    assert at > 0
    assert codes(spoiled, None, chain) == ["signature_wrong"]
    stranger = Chain(NOW, chain.kind)
    assert codes(attached, None, stranger) == ["chain_untrusted"]


def test_several_signers_stand_each_alone(chain: Chain) -> None:
    both = [
        Signatory(chain.key(who), chain[who], (chain["issuing"],)) for who in ("doctor", "nurse")
    ]
    found = cms.sign_together(DATA, both, False, NOW)
    result = cms.verify(found, None, chain.trust())
    assert result.valid
    assert [signer.signer for signer in result.signers] == ["doctor", "nurse"]
    spoiled = found[:-1] + bytes([found[-1] ^ 1])
    result = cms.verify(spoiled, None, chain.trust())
    assert [signer.valid for signer in result.signers] == [True, False]
    assert not result.valid


def test_a_key_does_not_sign_with_anothers_certificate(chain: Chain) -> None:
    with pytest.raises(WrongKey):
        cms.sign(DATA, chain.key("nurse"), chain["doctor"].der, [], False, NOW)


def test_the_certificate_that_is_named_cannot_be_exchanged(chain: Chain) -> None:
    again = chain.add("doctor again", "issuing", signer=chain.keys["doctor"])
    signatory = Signatory(chain.key("doctor"), chain["doctor"])
    info = cms.signer_info(signatory, cms.digest_of(chain.key("doctor").algorithm, DATA), NOW)
    own = der.sequence(chain["doctor"].issuer_der, der.integer_any(chain["doctor"].serial))
    other = der.sequence(again.issuer_der, der.integer_any(again.serial))
    exchanged = der.tlv(der.SEQUENCE, der.whole(info, der.SEQUENCE).replace(own, other))
    found = cms.assemble(
        [exchanged], [again, chain["issuing"]], [chain.key("doctor").algorithm], DATA
    )
    assert codes(found, None, chain) == ["certificate_mismatch"]


# --- time ----------------------------------------------------------------------------------------


def stamped(chain: Chain, at: datetime, fault: str = "ok", *, claimed: datetime = NOW) -> bytes:
    found = cms.sign(
        DATA, chain.key("doctor"), chain["doctor"].der, [chain["issuing"].der], True, claimed
    )
    signer = read_message(found).signers[0]
    digest = digest_with(signer.digest_oid, signer.signature)
    return cms.with_timestamp(found, chain.stamp(digest, at, fault))


def test_a_timestamp_proves_the_time_inside_the_message_or_beside_it(chain: Chain) -> None:
    at = NOW + timedelta(minutes=3)
    found = stamped(chain, at)
    [signer] = cms.verify(found, DATA, chain.trust()).signers
    assert (signer.valid, signer.proven, signer.signed_at) == (True, True, at)
    token = read_message(found).signers[0].timestamp
    bare = message(chain, detached=True)
    [signer] = cms.verify(bare, DATA, chain.trust(), token).signers
    # The token is over another signature value, because each signature is different.
    expected = chain.kind == "rsa"
    assert signer.proven is expected
    again = cms.with_timestamp(found, token or b"")
    assert len(again) == len(found)


def test_a_timestamp_of_an_unknown_authority_proves_nothing(chain: Chain) -> None:
    found = message(chain, detached=True)
    signer = read_message(found).signers[0]
    stranger = Chain(NOW, chain.kind)
    token = stranger.stamp(digest_with(signer.digest_oid, signer.signature), NOW)
    result = cms.verify(cms.with_timestamp(found, token), DATA, chain.trust())
    assert [problem.code for problem in result.problems] == ["timestamp_untrusted"]
    assert not result.signers[0].proven


def test_an_expired_certificate_leaves_its_old_signatures_valid(chain: Chain) -> None:
    found = message(chain)
    later = chain.trust(now=NOW + timedelta(days=366))
    result = cms.verify(found, None, later)
    assert (result.valid, result.valid_now) == (True, False)
    [signer] = result.signers
    assert signer.now is not None
    assert {problem.code for problem in signer.now.problems} == {"certificate_expired"}


@pytest.mark.parametrize(
    ("reason", "proven", "valid"),
    [
        ("left", False, True),
        ("key_compromise", False, False),
        ("key_compromise", True, True),
    ],
)
def test_a_revoked_certificate_judges_older_signatures_by_reason_and_proof(
    chain: Chain, reason: str, proven: bool, valid: bool
) -> None:
    revoked = Revoked(chain["doctor"].serial, NOW + timedelta(hours=1), reason)
    now = NOW + timedelta(hours=2)
    lists = [read_revocation_list(chain.crl(revoked, at=now))]
    trust = chain.trust(now=now, evidence=Evidence(lists), revoking=Revoking.CRL)
    found = stamped(chain, NOW) if proven else message(chain, detached=True)
    result = cms.verify(found, DATA, trust)
    assert (result.valid, result.valid_now) == (valid, False)
    if not valid:
        assert [problem.code for problem in result.problems] == ["time_unproven"]
    after = cms.sign(
        DATA, chain.key("doctor"), chain["doctor"].der, [chain["issuing"].der], True, now
    )
    assert codes_with(after, trust) == ["certificate_revoked"]


def codes_with(found: bytes, trust: object) -> list[str]:
    return [problem.code for problem in cms.verify(found, DATA, trust).problems]  # type: ignore[arg-type]


# --- witnesses -----------------------------------------------------------------------------------


def openssl(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)


def pem_files(chain: Chain, folder: Path) -> dict[str, Path]:
    paths = {}
    for name in ("root", "issuing", "doctor"):
        paths[name] = folder / f"{name}.pem"
        paths[name].write_text(chain[name].pem)
    paths["key"] = folder / "key.pem"
    paths["key"].write_text(str(chain.keys["doctor"].dump()))
    return paths


@pytest.mark.requirement("S4-097", "S4-098")
@pytest.mark.parametrize("detached", [False, True])
def test_openssl_verifies_our_rsa_messages_and_we_verify_its(
    tmp_path: Path, detached: bool
) -> None:
    chain = Chain(NOW, "rsa")
    chain.add("doctor", "issuing")
    files, content = pem_files(chain, tmp_path), tmp_path / "content"
    content.write_bytes(DATA)
    ours = tmp_path / "ours.der"
    ours.write_bytes(message(chain, detached=detached))
    trust = ("-CAfile", files["root"], "-attime", str(int(NOW.timestamp())), "-purpose", "any")
    rest = ("-content", content) if detached else ()
    told = openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", ours, *rest, *trust)
    assert (told.returncode, told.stdout) == (0, DATA), told.stderr
    rest = () if detached else ("-nodetach",)
    made = openssl(
        "cms", "-sign", "-binary", "-outform", "DER", "-in", content, "-md", "sha256", *rest,
        "-signer", files["doctor"], "-inkey", files["key"], "-certfile", files["issuing"],
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    result = cms.verify(made.stdout, DATA, chain.trust(now=datetime.now(UTC)))
    assert result.signers[0].signature_ok
    assert result.signers[0].digest_ok


def test_our_gm_messages_are_what_an_independent_reader_expects() -> None:
    chain = Chain(NOW, "sm2")
    chain.add("doctor", "issuing")
    outer = asn1_cms.ContentInfo.load(message(chain))
    assert outer["content_type"].dotted == oids.GM_SIGNED_DATA
    signed = outer["content"].parse(asn1_cms.SignedData)
    assert signed["encap_content_info"]["content_type"].dotted == oids.GM_DATA
    assert [each["algorithm"].dotted for each in signed["digest_algorithms"]] == [oids.SM3]
    info = signed["signer_infos"][0]
    assert info["signature_algorithm"]["algorithm"].dotted == oids.SM3_WITH_SM2
    content = signed["encap_content_info"]["content"].parse(asn1.OctetString).native
    assert content == DATA
    attributes = info["signed_attrs"].untag().dump(force=True)
    # gmssl verifies over the same bytes.
    assert verifies(chain.keys["doctor"].public, info["signature"].native, attributes) == "sm2"


def test_a_bare_signature_is_taken_in_both_forms(chain: Chain) -> None:
    signature = raw.sign(DATA, chain.key("doctor"))
    others = chain.trust(intermediates=(chain["issuing"],))
    assert raw.verify(signature, DATA, chain["doctor"], others).valid
    assert not raw.verify(signature, DATA + b".", chain["doctor"], others).valid
    if chain.kind == "sm2":
        short = sm2.signature_to_raw(signature)
        assert raw.verify(short, DATA, chain["doctor"], others).valid
        digest = chain.key("doctor").sign_digest(
            sm2.PublicKey.from_der(chain["doctor"].public_der).digest(DATA)
        )
        assert raw.verify(digest, DATA, chain["doctor"], others).valid


# --- hostile input -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus() -> list[tuple[Callable[[bytes], object], bytes]]:
    """A good specimen of everything that is read from outside, with its reader."""
    made = Chain(NOW, "sm2")
    made.add("doctor", "issuing")
    revoked = Revoked(made["doctor"].serial, NOW, "left")
    token = made.stamp(sm3(b"x"), NOW)
    return [
        (read_message, message(made)),
        (read_message, stamped(made, NOW)),
        (read_certificate, made["doctor"].der),
        (read_any, message(made)),
        (read_any, made["doctor"].pem.encode()),
        (read_revocation_list, made.crl(revoked)),
        (timestamps.read_token, token),
        (ocsp.read_answer, bytes.fromhex("30030a0103")),
    ]


def read_or_refuse(reader: Callable[[bytes], object], data: bytes) -> None:
    """Whatever comes in, either a value or a named refusal comes out."""
    try:
        reader(data)
    except FormatError:
        return


def test_cut_changed_and_swollen_bytes_are_refused_by_name(
    corpus: list[tuple[Callable[[bytes], object], bytes]],
) -> None:
    dice = random.Random(20261120)
    for reader, good in corpus:
        for _ in range(150):
            bad = bytearray(good)
            match dice.randrange(4):
                case 0:
                    bad = bad[: dice.randrange(len(bad))]
                case 1:
                    for _ in range(dice.randrange(1, 6)):
                        bad[dice.randrange(len(bad))] = dice.randrange(256)
                case 2:
                    at = dice.randrange(len(bad))
                    bad[at:at] = dice.randbytes(dice.randrange(1, 9))
                case _:
                    at = dice.randrange(len(bad))
                    del bad[at : at + dice.randrange(1, 9)]
            read_or_refuse(reader, bytes(bad))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    for reader in (
        read_message,
        read_certificate,
        read_any,
        read_revocation_list,
        timestamps.read_token,
        ocsp.read_answer,
    ):
        with pytest.raises(FormatError):
            reader(data)


def test_deep_nesting_ends_in_the_named_error() -> None:
    nested = b""
    for _ in range(3000):
        nested = der.tlv(der.SEQUENCE, nested)
    for reader in (read_message, read_certificate, read_revocation_list):
        with pytest.raises(FormatError):
            reader(nested)
    inside = der.sequence(der.oid(oids.GM_SIGNED_DATA), der.explicit(0, nested))
    with pytest.raises(FormatError):
        read_message(inside)


def test_a_file_with_a_private_key_is_refused(chain: Chain) -> None:
    key = sm2.generate().pem
    with pytest.raises(FormatError, match="private key"):
        read_any(chain["doctor"].pem.encode() + key)
