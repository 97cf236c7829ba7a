"""libgcrypt and OpenSSL beside each other, and what happens where libgcrypt does not serve."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import check
from core.config import Config
from core.crypto import gcrypt
from core.crypto.container import CHUNK, Cipher, Header
from core.crypto.engine import Engine, OpenSsl, choose, chosen
from core.crypto.gcrypt import KNOWN_DIGEST, KNOWN_SEALED, Gcrypt, GcryptError, NotUsable
from core.crypto.keyring import Keyring
from core.crypto.keys import Purpose
from core.crypto.sm import DecryptionError

ROOT = Path(__file__).resolve().parents[3]
OPENSSL = OpenSsl()


def fresh_library() -> Gcrypt:
    """The library with no handle yet."""
    try:
        return gcrypt.load()
    except NotUsable as reason:
        pytest.skip(str(reason))


@cache
def library() -> Gcrypt:
    """One for all tests to which its handles are nothing."""
    return fresh_library()


@pytest.fixture(params=["libgcrypt", "OpenSSL"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return library() if request.param == "libgcrypt" else OPENSSL


# Around the sizes at which libgcrypt gets another place in memory and other threads may run.
sizes = st.one_of(
    st.integers(0, 300),
    st.integers(4090, 4110),
    st.integers(8185, 8200),
    st.sampled_from([16384, 65535, 65536, 65537, 200_000, 1_048_576]),
)
keys = st.binary(min_size=16, max_size=16)
nonces = st.binary(min_size=12, max_size=12)
contexts = st.one_of(st.just(b""), st.binary(min_size=1, max_size=200))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    size, seed = draw(sizes), draw(st.binary(min_size=1, max_size=33))
    return (seed * (size // len(seed) + 1))[:size]


def test_both_give_the_vectors_of_the_standards(engine: Engine) -> None:
    key, nonce, plaintext, aad, sealed = KNOWN_SEALED
    assert engine.seal(key, nonce, plaintext, aad) == sealed
    assert engine.open(key, nonce, sealed, aad) == plaintext
    assert engine.sm3(KNOWN_DIGEST[0]) == KNOWN_DIGEST[1]


@settings(deadline=None, max_examples=150)
@given(key=keys, nonce=nonces, plaintext=texts(), aad=contexts)
def test_what_one_seals_the_other_opens(
    key: bytes, nonce: bytes, plaintext: bytes, aad: bytes
) -> None:
    own = library()
    sealed = own.seal(key, nonce, plaintext, aad)
    assert sealed == OPENSSL.seal(key, nonce, plaintext, aad)
    assert own.open(key, nonce, sealed, aad) == OPENSSL.open(key, nonce, sealed, aad) == plaintext


@settings(deadline=None, max_examples=60)
@given(data=st.data(), key=keys, plaintext=texts(), aad=contexts, head=st.binary(max_size=100))
def test_pieces_are_sealed_alike_and_as_each_by_itself(
    data: st.DataObject, key: bytes, plaintext: bytes, aad: bytes, head: bytes
) -> None:
    own = library()
    piece = data.draw(st.integers(max(1, len(plaintext) // 20), max(1, len(plaintext)) + 5))
    count = gcrypt.pieces(len(plaintext), piece)
    each = [number.to_bytes(12, "big") for number in range(count)]
    sealed = own.seal_run(key, each, plaintext, piece, aad, head)
    assert sealed == OPENSSL.seal_run(key, each, plaintext, piece, aad, head)
    assert sealed == head + b"".join(
        own.seal(key, nonce, plaintext[n * piece : (n + 1) * piece], aad)
        for n, nonce in enumerate(each)
    )
    body = sealed[len(head) :]
    assert own.open_run(key, each, body, piece, aad) == plaintext
    assert OPENSSL.open_run(key, each, body, piece, aad) == plaintext


@settings(deadline=None, max_examples=100)
@given(data=st.data(), key=keys, nonce=nonces, plaintext=texts(), aad=contexts)
def test_no_changed_bit_passes(
    data: st.DataObject, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes
) -> None:
    own = library()
    sealed = bytearray(own.seal(key, nonce, plaintext, aad))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    for engine in (own, OPENSSL):
        assert engine.open(key, nonce, bytes(sealed), aad) is None
    sealed_well = own.seal(key, nonce, plaintext, aad)
    for engine in (own, OPENSSL):
        assert engine.open(key, nonce, sealed_well, aad + b"\0") is None
        assert (
            engine.open(bytes(16) if any(key) else key[:-1] + b"\1", nonce, sealed_well, aad)
            is None
        )
    # A handle that was used for what did not open serves the next message.
    assert own.open(key, nonce, sealed_well, aad) == plaintext


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_one_changed_piece_hands_out_nothing_of_the_others(engine: Engine, broken: int) -> None:
    key, each = os.urandom(16), [bytes([number]) * 12 for number in range(3)]
    sealed = bytearray(engine.seal_run(key, each, os.urandom(250), 100, b"x"))
    sealed[broken * 116] ^= 1
    assert engine.open_run(key, each, bytes(sealed), 100, b"x") is None


@pytest.mark.parametrize(("key", "nonce"), [(15, 12), (17, 12), (0, 12), (16, 11), (16, 16)])
@pytest.mark.parametrize("size", [10, 10_000])
def test_a_key_or_nonce_of_another_size_is_refused(
    engine: Engine, key: int, nonce: int, size: int
) -> None:
    with pytest.raises(ValueError, match=r"key|nonce"):
        engine.seal(bytes(key), bytes(nonce), bytes(size), b"")
    with pytest.raises(ValueError, match=r"key|nonce"):
        engine.open(bytes(key), bytes(nonce), bytes(size + 16), b"")


def test_what_is_shorter_than_a_tag_or_its_pieces_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"tag|nonce"):
        engine.open(bytes(16), bytes(12), b"short", b"")
    with pytest.raises(ValueError, match="nonce"):
        engine.open_run(bytes(16), [bytes(12)] * 2, bytes(120), 100, b"")
    with pytest.raises(ValueError, match="nonce"):
        engine.seal_run(bytes(16), [bytes(12)], bytes(101), 100, b"")


def test_a_chunk_that_was_cut_into_its_tag_is_damage_and_no_fault() -> None:
    cipher = Cipher(Header.fresh("k1"), "files/1/x", bytes(32))
    sealed = cipher.seal_run(0, bytes(CHUNK + 100), last=True)
    for missing in (1, 99, 100, 105, 115, 116):
        with pytest.raises(DecryptionError):
            cipher.open_run(0, sealed[:-missing], last=True)
    assert cipher.open_run(0, sealed, last=True) == bytes(CHUNK + 100)


@settings(deadline=None, max_examples=100)
@given(data=texts())
def test_both_digest_alike(data: bytes) -> None:
    assert library().sm3(data) == OPENSSL.sm3(data)


def test_threads_with_the_same_keys_do_not_meet_in_a_handle() -> None:
    own = fresh_library()
    shared = [os.urandom(16) for _ in range(3)]
    together = threading.Barrier(8)

    def work(number: int) -> int:
        together.wait()
        for turn in range(150):
            key, nonce = shared[turn % 3], number.to_bytes(4, "big") + turn.to_bytes(8, "big")
            size = (40, 4096, 4097, 70_000)[(turn + number) % 4]
            plaintext = bytes([number, turn]) * (size // 2)
            sealed = own.seal(key, nonce, plaintext, b"thread")
            assert sealed == OPENSSL.seal(key, nonce, plaintext, b"thread")
            assert own.open(key, nonce, sealed, b"thread") == plaintext
            assert own.open(key, nonce, sealed, b"other") is None
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(8))
    assert own.handles <= 3


def test_a_long_message_lets_other_threads_run() -> None:
    own, key, data = library(), os.urandom(16), bytes(64 * 1024 * 1024)
    begun, seen = threading.Event(), []

    def watch() -> None:
        begun.wait()
        seen.append(threading.get_ident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = sys.getswitchinterval()
    # Nobody is made to give the interpreter back: only the call itself does.
    sys.setswitchinterval(60.0)
    try:
        begun.set()
        for _ in range(50):
            # A busy machine may take longer to give the other thread a core than one message takes.
            if not seen:
                own.seal(key, bytes(12), data, b"")
        assert seen
    finally:
        sys.setswitchinterval(before)
        watcher.join()


def test_handles_are_bounded_and_go_when_they_are_forgotten() -> None:
    own = fresh_library()
    for _ in range(gcrypt.MOST_HANDLES + 50):
        own.seal(os.urandom(16), bytes(12), b"x", b"")
    assert own.handles == gcrypt.MOST_HANDLES
    own.forget()
    assert own.handles == 0


def test_the_key_used_last_stays_when_others_go() -> None:
    own, often = fresh_library(), os.urandom(16)
    own.seal(often, bytes(12), b"x", b"")
    for _ in range(gcrypt.MOST_HANDLES * 2):
        own.seal(os.urandom(16), bytes(12), b"x", b"")
        own.seal(often, bytes(12), b"x", b"")
    assert own.holds(often)


def test_a_keyring_that_gives_a_key_up_leaves_no_handle_with_it(keyring: Keyring) -> None:
    own = chosen().engine
    if not isinstance(own, Gcrypt):
        pytest.skip(str(chosen()))
    first = Keyring.generate()
    both = first.with_new_key(Purpose.DATA, first.current(Purpose.DATA).created_at)
    old = first.current(Purpose.DATA)
    own.seal(old.secret, bytes(12), b"x", b"")
    assert own.holds(old.secret)
    left: dict[Purpose, dict[str, object]] = {}
    for purpose, key in both.all_keys():
        if key.id != old.id:
            left.setdefault(purpose, {})[key.id] = key
    both.hold(left)  # type: ignore[arg-type]
    assert not own.holds(old.secret)


def test_a_missing_library_is_named_and_openssl_takes_its_place() -> None:
    found = choose(("libgcrypt-that-is-not-there.so",))
    assert isinstance(found.engine, OpenSsl)
    assert "OpenSSL" in found.name
    assert "libgcrypt is missing: libgcrypt-that-is-not-there.so" in str(found)


def test_a_library_that_is_too_old_is_not_used() -> None:
    version = library().version
    found = choose(oldest="99.0")
    assert isinstance(found.engine, OpenSsl)
    assert f"libgcrypt {version} is older than 99.0" in str(found)


def test_a_library_without_the_functions_is_not_used() -> None:
    found = choose(("libc.so.6",))
    assert isinstance(found.engine, OpenSsl)
    assert "gcry_check_version" in str(found)


def test_a_library_that_gives_wrong_answers_is_not_used(tmp_path: Path) -> None:
    """It is libgcrypt with one function changed: the tags come out wrong."""
    library()
    source = tmp_path / "wrong.c"
    source.write_text(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n"
        "unsigned gcry_cipher_gettag(void *h, void *tag, size_t size) {\n"
        '    unsigned (*real)(void *, void *, size_t) = dlsym(dlopen("libgcrypt.so.20", RTLD_NOW),'
        ' "gcry_cipher_gettag");\n'
        "    unsigned failure = real(h, tag, size);\n"
        "    ((unsigned char *)tag)[0] ^= 1;\n    return failure;\n}\n"
    )
    built = tmp_path / "wrong.so"
    try:
        subprocess.run(
            f"cc -shared -fPIC -o {built} {source} -ldl -Wl,--no-as-needed -l:libgcrypt.so.20",
            shell=True,
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError:
        pytest.skip("there is no C compiler that links with libgcrypt")
    found = choose((str(built),))
    assert isinstance(found.engine, OpenSsl)
    assert "gives wrong answers" in str(found)


def test_a_refused_call_names_itself_and_the_reason() -> None:
    own = library()
    # 5 (GPG_ERR_CIPHER_ALGO is 12) of libgcrypt's own part.
    error = own.refused("gcry_cipher_open", 12)
    assert isinstance(error, GcryptError)
    assert str(error) == "gcry_cipher_open: Invalid cipher algorithm (12)"


def test_a_process_whose_libgcrypt_is_broken_seals_with_openssl(tmp_path: Path) -> None:
    (tmp_path / "libgcrypt.so.20").write_bytes(b"")
    key, nonce, plaintext, aad, sealed = KNOWN_SEALED
    program = (
        "from core.crypto.engine import chosen\n"
        "from core.crypto.sm import sm3, sm4_gcm_decrypt, sm4_gcm_encrypt\n"
        f"sealed = sm4_gcm_encrypt({key!r}, {nonce!r}, {plaintext!r}, {aad!r})\n"
        f"assert sealed == {sealed!r}\n"
        f"assert sm4_gcm_decrypt({key!r}, {nonce!r}, sealed, {aad!r}) == {plaintext!r}\n"
        f"assert sm3({KNOWN_DIGEST[0]!r}) == {KNOWN_DIGEST[1]!r}\n"
        "print(chosen())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("OpenSSL")
    assert "libgcrypt is missing" in done.stdout


async def test_the_check_of_the_configuration_says_which_library_seals(config: Config) -> None:
    said: list[str] = []
    await check.configuration(config, said.append)
    assert f"SM4 and SM3: {chosen()}." in said
