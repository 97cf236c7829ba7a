"""How fast signing and sealing are: SM2 beside gmssl, SM4-GCM and SM3 of libgcrypt beside those of
OpenSSL in one run, CMS, and the whole service over HTTP.

    make bench-crypto                 everything, about two minutes
    python -m loadtests.bench_crypto --quick --no-service

Prints a table and writes `var/bench/crypto.json`: machine, versions, raw figures and `headline`.
Numbers of calls are by the second of processor time of the calling thread, which is what a core
does when nobody else wants it; `wall` beside them is by the clock on the wall. The service is
measured by the clock alone, over its whole time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import resource
import secrets
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from cryptography.hazmat.backends.openssl.backend import backend
from gmssl import sm2 as gmssl_sm2
from gmssl import sm3 as gmssl_sm3
from gmssl import sm4 as gmssl_sm4

from clinical.sandbox.ca.building import Wish, certificate
from clinical.sandbox.ca.signers import RsaSigner, Signer, SmSigner
from clinical.signature.formats import cms
from clinical.signature.formats.checking import check_signature
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.x509 import Certificate, read_certificate
from core.crypto import sm2
from core.crypto.container import CHUNK, Cipher, Header
from core.crypto.engine import Engine, OpenSsl, chosen
from core.crypto.libcrypto import libcrypto
from core.crypto.signing import Algorithm, Sm2SigningKey, generate, load_private, load_public
from loadtests import signing_service

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "var" / "bench" / "crypto.json"
DATA = b"A prescription, a closing note, a consent: some hundred bytes that are signed. " * 3
MEGABYTE = bytes(1024 * 1024)
#: A chat message, a page, a piece of a stored file, a block of it.
SIZES = (200, 4096, CHUNK, len(MEGABYTE))


def rate(work: Callable[[], object], seconds: float, runs: int = 5) -> dict[str, float]:
    """Calls a second of one thread: best and median by processor time, best by the clock."""
    for _ in range(20):
        work()
    by_core, by_clock = [], []
    for _ in range(runs):
        count, began, used = 0, time.perf_counter(), time.thread_time()
        while time.perf_counter() < began + seconds:
            work()
            count += 1
        by_core.append(count / (time.thread_time() - used))
        by_clock.append(count / (time.perf_counter() - began))
    found = {"best": max(by_core), "median": statistics.median(by_core), "wall": max(by_clock)}
    return {name: round(value, 1) for name, value in found.items()}


def rate_of_threads(work: Callable[[], object], threads: int, seconds: float) -> float:
    """Calls a second of several threads together: whether the interpreter's lock is given back."""

    def loop() -> int:
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        counts = list(pool.map(lambda _: loop(), range(threads)))
    return round(sum(counts) / (time.perf_counter() - began), 1)


def measure_native(seconds: float) -> dict[str, Any]:
    """Our own primitives, one thread, then two."""
    key = sm2.generate()
    public, signature = key.public_key, key.sign(DATA)
    ciphertext = public.encrypt(secrets.token_bytes(32))
    rsa = generate(Algorithm.RSA)
    verifier = load_public(rsa.public_der)
    rsa_signature = rsa.sign(DATA)
    block_key = secrets.token_bytes(16)
    return {
        "sm2_sign": rate(lambda: key.sign(DATA), seconds),
        "sm2_verify": rate(lambda: public.verify(signature, DATA), seconds),
        "sm2_sign_two_threads": rate_of_threads(lambda: key.sign(DATA), 2, seconds * 2),
        "sm2_verify_two_threads": rate_of_threads(
            lambda: public.verify(signature, DATA), 2, seconds * 2
        ),
        "sm2_encrypt_32_bytes": rate(lambda: public.encrypt(block_key), seconds, 3),
        "sm2_decrypt_32_bytes": rate(lambda: key.decrypt(ciphertext), seconds, 3),
        "sm2_generate": rate(sm2.generate, seconds, 3),
        "rsa_2048_sign": rate(lambda: rsa.sign(DATA), seconds, 3),
        "rsa_2048_verify": rate(lambda: verifier.verify(rsa_signature, DATA), seconds, 3),
    }


def measure_ciphers(seconds: float) -> dict[str, Any]:
    """SM4-GCM and SM3 of the library that the process uses and of OpenSSL, size by size in turn:
    messages a second of one thread, and how many times OpenSSL's the first is. `stored` is a block
    of a stored file in its pieces, as the server seals it.
    """
    found: dict[str, Any] = {"engine": str(chosen())}
    works = {f"seal_{size}": sealing(size) for size in SIZES}
    works |= {f"open_{size}": opening(size) for size in SIZES}
    works |= {f"sm3_{size}": digesting(size) for size in SIZES}
    for name, work in works.items():
        own, other = (
            rate(partial(work, engine), seconds, 3) for engine in (chosen().engine, OpenSsl())
        )
        found[name] = {"own": own, "openssl": other, "ratio": round(own["best"] / other["best"], 2)}
    cipher = Cipher(Header.fresh("bench"), "bench/1/file", secrets.token_bytes(32))
    found["stored"] = rate(lambda: cipher.seal_run(0, MEGABYTE, last=True), seconds, 3)
    return found


def sealing(size: int) -> Callable[[Engine], object]:
    """Sealing a message with a key that is used all the time."""
    key, nonce, plaintext = secrets.token_bytes(16), secrets.token_bytes(12), MEGABYTE[:size]
    return lambda engine: engine.seal(key, nonce, plaintext, b"bench.body")


def opening(size: int) -> Callable[[Engine], object]:
    """Opening one."""
    key, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = OpenSsl().seal(key, nonce, MEGABYTE[:size], b"bench.body")
    return lambda engine: engine.open(key, nonce, sealed, b"bench.body")


def digesting(size: int) -> Callable[[Engine], object]:
    """SM3 over one."""
    return lambda engine: engine.sm3(MEGABYTE[:size])


def measure_gmssl(seconds: float) -> dict[str, Any]:
    """The pure Python implementation on the same content."""
    key = sm2.generate()
    crypt = gmssl_sm2.CryptSM2(key.secret.hex(), "")
    crypt.public_key = key.public_key.point[1:].hex()
    signature = crypt.sign_with_sm3(DATA)
    block = gmssl_sm4.CryptSM4()
    block.set_key(secrets.token_bytes(16), gmssl_sm4.SM4_ENCRYPT)
    kilobytes = list(bytes(16 * 1024))
    return {
        "sm2_sign": rate(lambda: crypt.sign_with_sm3(DATA), seconds, 3),
        "sm2_verify": rate(lambda: crypt.verify_with_sm3(signature, DATA), seconds, 3),
        "sm3_16_kilobytes": rate(lambda: gmssl_sm3.sm3_hash(kilobytes), seconds, 2),
        "sm4_ecb_16_kilobytes": rate(lambda: block.crypt_ecb(bytes(16 * 1024)), seconds, 2),
    }


def certified(signer: Signer) -> tuple[Any, Certificate]:
    """A key with a self-signed certificate."""
    if isinstance(signer, SmSigner):
        key: Any = Sm2SigningKey(sm2.PrivateKey(bytes.fromhex(signer.dump())))
    else:
        assert isinstance(signer, RsaSigner)
        lines = signer.dump().strip().split("\n")[1:-1]
        key = load_private(base64.b64decode("".join(lines)))
    wish = Wish({"common_name": "bench"}, 30, frozenset({"digital_signature"}))
    made = certificate(wish, signer.public, datetime.now(UTC), signer)
    return key, read_certificate(made.dump())


def measure_messages(seconds: float) -> dict[str, Any]:
    """CMS: making one, and reading and checking one (without the path)."""
    found: dict[str, Any] = {}
    for name, signer in (("sm2", SmSigner.generate()), ("rsa", RsaSigner.generate())):
        key, own = certified(signer)
        at = datetime.now(UTC)

        def make(key: Any = key, own: Certificate = own, at: datetime = at) -> bytes:
            return cms.sign(DATA, key, own.der, [], False, at)

        message = make()

        def check(message: bytes = message, own: Certificate = own) -> None:
            read = read_message(message)
            assert check_signature(read.signers[0], own, DATA).ok

        found[f"{name}_cms_sign"] = rate(make, seconds, 3)
        found[f"{name}_cms_verify"] = rate(check, seconds, 3)
    return found


def measure_memory(count: int) -> dict[str, Any]:
    """Resident memory over many signatures and verifications: it must not grow."""
    key = sm2.generate()
    public = key.public_key

    def go(times: int) -> None:
        for _ in range(times):
            assert public.verify(key.sign(DATA), DATA)

    go(500)
    before = _resident()
    go(count)
    after = _resident()
    return {"signatures": count, "kib_before": before, "kib_after": after, "grown": after - before}


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def measure_service(seconds: float, callers: int) -> dict[str, Any]:
    """The HTTP service: bare signatures, then detached CMS."""
    found: dict[str, Any] = {"callers": callers}
    for form in ("raw", "cms_detached"):
        folder = Path(tempfile.mkdtemp(prefix="zhenjian-bench-"))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found[form] = runner.run(
                    signing_service.measure(
                        folder, form=form, callers=callers, seconds=seconds, port=_free_port()
                    )
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text(errors="replace")
    model = next((line for line in text.splitlines() if line.startswith("model name")), "")
    return {
        "processor": model.partition(":")[2].strip() or platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_before": [round(each, 2) for each in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Of everything that takes part."""
    return {
        "python": platform.python_version(),
        "libcrypto": libcrypto().version,
        "cryptography": f"{version('cryptography')} ({backend.openssl_version_text()})",
        "gmssl": version("gmssl"),
        "uvicorn": version("uvicorn"),
        "asyncpg": version("asyncpg"),
    }


def headline(result: dict[str, Any]) -> dict[str, float | None]:
    """The numbers that the project holds itself to."""
    own, other, ciphers = result["native"], result["gmssl"], result["ciphers"]
    service = result.get("service")
    return {
        "sm2_sign_per_core_s": own["sm2_sign"]["best"],
        "sm2_verify_per_core_s": own["sm2_verify"]["best"],
        "sign_vs_gmssl": round(own["sm2_sign"]["best"] / other["sm2_sign"]["best"], 1),
        "sm4_vs_openssl": ciphers[f"seal_{CHUNK}"]["ratio"],
        "sm4_message_vs_openssl": ciphers[f"seal_{SIZES[0]}"]["ratio"],
        "service_sign_per_s": service["raw"]["per_second"] if service else None,
    }


def show(result: dict[str, Any]) -> None:
    """The table."""
    print(f"\n{result['machine']['processor']}, {result['machine']['cores']} cores, ", end="")
    print(f"load before {result['machine']['load_before'][0]}, {result['versions']['libcrypto']}")
    for part in ("native", "gmssl", "messages"):
        print(f"\n{part:<26}{'best':>12}{'median':>12}{'wall':>12}   a second")
        for name, value in result[part].items():
            columns = [value] if isinstance(value, float) else value.values()
            print(f"  {name:<24}" + "".join(f"{column:>12,}" for column in columns))
    show_ciphers(result["ciphers"])
    memory = result["memory"]
    print(f"\nmemory: {memory['grown']} KiB more after {memory['signatures']:,} signatures")
    for form in ("raw", "cms_detached"):
        found = result.get("service", {}).get(form)
        if found:
            print(f"\nservice, {form}, {result['service']['callers']} callers at once")
            print(f"  signatures a second {found['per_second']:>12,}")
            print(f"  latency ms          {found['latency_ms']}")
            print(f"  processor seconds   {found['cpu_seconds']} in {found['seconds']} s")
            print(f"  failures            {found['failures'] or 'none'}")
    print("\nheadline")
    for name, value in result["headline"].items():
        print(f"  {name:<26}{value}")


def show_ciphers(found: dict[str, Any]) -> None:
    """Microseconds a message, megabytes a second and how many times OpenSSL that is."""
    print(
        f"\n{found['engine']:<26}{'µs':>10}{'MB/s':>10}{'OpenSSL µs':>14}{'MB/s':>10}{'times':>8}"
    )
    for name, each in found.items():
        if name in ("engine", "stored"):
            continue
        size = int(name.partition("_")[2])
        own, other = each["own"]["best"], each["openssl"]["best"]
        print(
            f"  {name:<24}{1e6 / own:>10.2f}{own * size / 1e6:>10.0f}{1e6 / other:>14.2f}"
            f"{other * size / 1e6:>10.0f}{each['ratio']:>8}"
        )
    print(f"  a stored block          {found['stored']['best'] * len(MEGABYTE) / 1e6:>20.0f} MB/s")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast signing is.")
    parser.add_argument("--quick", action="store_true", help="short runs, less exact")
    parser.add_argument("--no-service", action="store_true", help="native calls only")
    parser.add_argument("--seconds", type=float, default=20.0, help="of load on the service")
    parser.add_argument("--callers", type=int, default=500, help="at once on the service")
    given = parser.parse_args()
    short = 0.2 if given.quick else 1.0
    result: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "native": measure_native(short),
        "ciphers": measure_ciphers(short / 2),
        "gmssl": measure_gmssl(short),
        "messages": measure_messages(short),
        "memory": measure_memory(2_000 if given.quick else 20_000),
    }
    if not given.no_service:
        result["service"] = measure_service(given.seconds, given.callers)
    result["headline"] = headline(result)
    show(result)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"\nWrote {OUTPUT.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
