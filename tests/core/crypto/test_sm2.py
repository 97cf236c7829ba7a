"""SM2: the examples of the standard, two independent implementations, and hostile input."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gmssl import sm2 as gmssl_sm2
from hypothesis import given, settings
from hypothesis import strategies as st

from core.crypto import der, sm2
from core.crypto.libcrypto import libcrypto
from core.crypto.sm import DecryptionError

# GB/T 32918.5 (GM/T 0003.5), annexes A and C: the example on the recommended curve.
SECRET = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
X = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
Y = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
MESSAGE = b"message digest"
Z = "B2E14C5C79C6DF5B85F4FE7ED8DB7A262B9DA7E07CCB0EA9F4747B8CCDA8A4F3"
E = "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
R = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
S = "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
C1X = "04EBFC718E8D179862043226 8E77FEB6415E2EDE0E073C0F4F640ECD2E149A73".replace(" ", "")
C1Y = "E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
C3 = "59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766"
C2 = "21886CA989CA9C7D58087307CA93092D651EFA"


@pytest.fixture(scope="module")
def key() -> sm2.PrivateKey:
    return sm2.PrivateKey(SECRET)


def oracle(key: sm2.PrivateKey) -> gmssl_sm2.CryptSM2:
    """The same key in the pure Python implementation."""
    found = gmssl_sm2.CryptSM2(key.secret.hex(), key.public_key.point.hex(), mode=1)
    # Its constructor strips every leading 0 and 4 of a point, not just the tag.
    found.public_key = key.public_key.point[1:].hex()
    return found


@pytest.mark.requirement("S4-089")
def test_the_standards_example_gives_the_same_key_z_and_digest(key: sm2.PrivateKey) -> None:
    assert key.public_key.point.hex().upper() == "04" + X + Y
    assert key.public_key.z().hex().upper() == Z
    assert key.public_key.digest(MESSAGE).hex().upper() == E


@pytest.mark.requirement("S4-089")
def test_the_standards_signature_is_good_and_every_changed_one_is_not(key: sm2.PrivateKey) -> None:
    public, signature = key.public_key, sm2.signature_from_raw(bytes.fromhex(R + S))
    assert public.verify(signature, MESSAGE)
    assert public.verify_digest(signature, bytes.fromhex(E))
    assert not public.verify(signature, MESSAGE + b".")
    assert not public.verify(signature, MESSAGE, b"another identity")
    assert not sm2.generate().public_key.verify(signature, MESSAGE)


@pytest.mark.requirement("S4-089")
def test_the_standards_ciphertext_is_opened(key: sm2.PrivateKey) -> None:
    ciphertext = der.sequence(
        der.integer(int(C1X, 16)),
        der.integer(int(C1Y, 16)),
        der.octets(bytes.fromhex(C3)),
        der.octets(bytes.fromhex(C2)),
    )
    assert key.decrypt(ciphertext) == b"encryption standard"


def test_a_key_survives_every_form_in_and_out() -> None:
    key = sm2.generate()
    for again in (
        sm2.PrivateKey.from_der(key.der),
        sm2.PrivateKey.from_der(key.sec1_der),
        sm2.PrivateKey.from_pem(key.pem),
        sm2.PrivateKey.from_pem(sm2.to_pem("EC PRIVATE KEY", key.sec1_der)),
    ):
        assert again.secret == key.secret
    public = key.public_key
    compressed = bytes([2 | public.point[64] & 1]) + public.point[1:33]
    for known in (public.point, public.point[1:], compressed):
        assert sm2.PublicKey(known) == public
    assert sm2.PublicKey.from_pem(public.pem) == public == sm2.PublicKey.from_der(public.der)


@pytest.mark.parametrize("secret", [0, sm2.N - 1, sm2.N, 2**256 - 1])
def test_numbers_outside_the_range_are_no_private_keys(secret: int) -> None:
    with pytest.raises(sm2.Sm2Error):
        sm2.PrivateKey(secret.to_bytes(32, "big"))


def test_points_beside_the_curve_and_other_curves_are_refused() -> None:
    point = bytearray(sm2.generate().public_key.point)
    point[40] ^= 1
    with pytest.raises(sm2.Sm2Error):
        sm2.PublicKey(bytes(point))
    for bad in (b"", b"\x00", b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, bytes(33)):
        with pytest.raises(sm2.Sm2Error):
            sm2.PublicKey(bad)
    p256 = der.sequence(der.oid(sm2.OID_EC), der.oid("1.2.840.10045.3.1.7"))
    with pytest.raises(sm2.Sm2Error):
        sm2.PublicKey.from_der(der.sequence(p256, der.bits(sm2.generate().public_key.point)))


def test_a_private_key_with_anothers_public_key_is_refused() -> None:
    mine, other = sm2.generate(), sm2.generate()
    forged = der.sequence(
        der.integer(1),
        der.octets(mine.secret),
        der.explicit(0, der.oid(sm2.OID_CURVE)),
        der.explicit(1, der.bits(other.public_key.point)),
    )
    with pytest.raises(sm2.Sm2Error):
        sm2.PrivateKey.from_der(forged)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_key_and_never_verify(data: bytes) -> None:
    public = sm2.PrivateKey(SECRET).public_key
    assert not public.verify(data, MESSAGE)
    for read in (sm2.PrivateKey.from_der, sm2.PublicKey.from_der, sm2.PrivateKey.from_pem):
        with pytest.raises(sm2.Sm2Error):
            read(data)
    with pytest.raises(DecryptionError):
        sm2.PrivateKey(SECRET).decrypt(data)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 71), st.integers(1, 255))
def test_no_changed_byte_of_a_signature_passes(place: int, change: int) -> None:
    signature = bytearray(sm2.signature_from_raw(bytes.fromhex(R + S)))
    signature[place % len(signature)] ^= change
    assert not sm2.PrivateKey(SECRET).public_key.verify(bytes(signature), MESSAGE)


@settings(max_examples=8, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=40))
def test_the_pure_python_implementation_agrees_both_ways(data: bytes, identity: bytes) -> None:
    key = sm2.generate()
    other = oracle(key)
    digest = key.public_key.digest(data, identity)
    ours = sm2.signature_to_raw(key.sign(data, identity))
    assert other.verify(ours.hex(), digest)
    theirs = other.sign(digest, f"{int.from_bytes(key.secret, 'big') // 3:064x}")
    assert theirs is not None
    assert key.public_key.verify(sm2.signature_from_raw(bytes.fromhex(theirs)), data, identity)


def test_the_pure_python_implementation_signs_with_the_default_identity() -> None:
    key = sm2.generate()
    other = oracle(key)
    assert other.verify_with_sm3(sm2.signature_to_raw(key.sign(MESSAGE)).hex(), MESSAGE)
    theirs = bytes.fromhex(other.sign_with_sm3(MESSAGE, "1234567890abcdef" * 4))
    assert key.public_key.verify(sm2.signature_from_raw(theirs), MESSAGE)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1000])
def test_encryption_agrees_with_the_pure_python_implementation(size: int) -> None:
    key, plain = sm2.generate(), bytes(range(256)) * 4
    other = oracle(key)
    x, y, c3, c2 = der.children(der.whole(key.public_key.encrypt(plain[:size]), der.SEQUENCE))
    points = b"".join(der.unsigned(part).to_bytes(32, "big") for _, part in (x, y))
    assert other.decrypt(points + c3[1] + c2[1]) == plain[:size]
    theirs = other.encrypt(plain[:size])
    assert theirs is not None
    ours = der.sequence(
        der.integer(int.from_bytes(theirs[:32], "big")),
        der.integer(int.from_bytes(theirs[32:64], "big")),
        der.octets(theirs[64:96]),
        der.octets(theirs[96:]),
    )
    assert key.decrypt(ours) == plain[:size]


def openssl(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)


@pytest.mark.requirement("S4-089")
def test_the_openssl_command_agrees_both_ways(tmp_path: Path) -> None:
    key, data = sm2.generate(), tmp_path / "data"
    data.write_bytes("处方：阿莫西林".encode() * 50)
    private, public, ours = tmp_path / "key.pem", tmp_path / "pub.pem", tmp_path / "ours.sig"
    private.write_bytes(key.pem)
    public.write_bytes(key.public_key.pem)
    ours.write_bytes(key.sign(data.read_bytes()))
    common = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-in", data)
    checked = openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-sigfile", ours, *common)
    assert checked.returncode == 0, checked.stderr
    theirs = openssl("pkeyutl", "-sign", "-inkey", private, *common)
    assert key.public_key.verify(theirs.stdout, data.read_bytes())
    made = openssl("genpkey", "-algorithm", "SM2")
    assert sm2.PrivateKey.from_pem(made.stdout).public_key.point[0] == 4


def test_many_threads_share_one_key() -> None:
    key = sm2.generate()
    messages = [f"message {number}".encode() for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(key.sign, messages))
        good = list(pool.map(key.public_key.verify, signatures, messages))
    assert all(good)
    assert len(set(signatures)) == len(signatures)


def test_a_failure_leaves_nothing_in_the_queue_that_tls_looks_at() -> None:
    key = sm2.generate()
    assert not key.public_key.verify(b"\x30\x00", MESSAGE)
    with pytest.raises(DecryptionError):
        key.decrypt(b"nonsense")
    assert libcrypto().ERR_get_error() == 0
