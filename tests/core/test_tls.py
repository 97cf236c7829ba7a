"""The local authority, its server certificates, and what `--lan` sets."""

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr

from core import lan
from core.channels import open_channels
from core.config import Config
from core.tls import TlsProblem, client_context, local_certificate, server_context

NOW = datetime.now(UTC)
ADDRESSES = ("192.0.2.7",)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


async def greeting(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes:
    """What a client hears from a server behind TLS."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=name
        )
        heard = await reader.read()
        writer.close()
        return heard
    finally:
        listening.close()


async def test_whoever_trusts_the_authority_reaches_every_address_of_the_machine(
    tmp_path: Path,
) -> None:
    files = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    server = server_context(files.certificate, files.key)
    for name in ("192.0.2.7", "127.0.0.1", "localhost"):
        assert await greeting(server, client_context(files.authority), name) == b"hello"


async def test_whoever_does_not_trust_it_is_warned(tmp_path: Path) -> None:
    files = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    server = server_context(files.certificate, files.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting(server, client_context(None), "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting(server, client_context(files.authority), "hospital.example")


def test_phones_keep_their_trust_when_the_address_changes(tmp_path: Path) -> None:
    before = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    trusted, old = before.authority.read_bytes(), before.certificate.read_bytes()
    assert local_certificate(tmp_path / "tls", ADDRESSES, NOW).certificate.read_bytes() == old
    moved = local_certificate(tmp_path / "tls", ("192.0.2.99",), NOW)
    assert moved.authority.read_bytes() == trusted
    assert moved.certificate.read_bytes() != old
    assert before.fingerprint() == moved.fingerprint()


def test_a_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    first = certificate(local_certificate(tmp_path / "tls", ADDRESSES, NOW).certificate)
    later = NOW + timedelta(days=370)
    second = certificate(local_certificate(tmp_path / "tls", ADDRESSES, later).certificate)
    assert second.serial_number != first.serial_number
    assert second.not_valid_after_utc > later + timedelta(days=300)


def test_a_pair_torn_by_a_crash_is_made_again(tmp_path: Path) -> None:
    files = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    other = local_certificate(tmp_path / "other", ADDRESSES, NOW)
    files.key.write_bytes(other.key.read_bytes())
    again = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    server_context(again.certificate, again.key)


def test_nobody_else_can_read_the_keys(tmp_path: Path) -> None:
    files = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    for key in (files.key, files.key.with_name("authority.key")):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    files = local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    files.certificate.write_text("no certificate")
    with pytest.raises(TlsProblem, match=r"server\.pem"):
        local_certificate(tmp_path / "tls", ADDRESSES, NOW)
    with pytest.raises(TlsProblem, match=r"server\.pem"):
        server_context(files.certificate, files.key)


def test_lan_serves_https_on_the_machines_own_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lan, "lan_addresses", lambda: ADDRESSES)
    opened = lan.open_to_lan(Config(_env_file=None, data_dir=tmp_path, port=8443), NOW)
    assert opened.url == "https://192.0.2.7:8443"
    said = opened.say()
    assert opened.files.fingerprint() in said
    assert f"{opened.url}/local-authority.crt" in said
    for name, value in opened.settings.items():
        monkeypatch.setenv(name, value)
    config = Config(_env_file=None, data_dir=tmp_path, port=8443)
    assert config.base_url == opened.url
    assert config.local_url == "https://127.0.0.1:8443"
    assert config.announced == ADDRESSES


def test_the_check_names_inner_channels_that_leave_the_machine_unprotected() -> None:
    far = Config(
        _env_file=None,
        database_url=SecretStr("postgresql://zhenjian:secret@db.hospital.example/zhenjian"),
        redis_url=SecretStr("redis://:secret@cache.hospital.example/0"),
        media_workers="ws://10.0.0.5:8300/control,ws://127.0.0.1:8300/control",
    )
    database, redis, worker = open_channels(far)
    assert "cache.hospital.example" in redis
    assert "secret" not in redis
    assert "db.hospital.example" in database
    assert "secret" not in database
    assert "10.0.0.5" in worker
    safe = Config(
        _env_file=None,
        database_url=SecretStr(
            "postgresql://zhenjian@db.hospital.example/zhenjian?ssl=verify-full"
        ),
        redis_url=SecretStr("rediss://cache.hospital.example/0"),
        media_workers="wss://10.0.0.5:8300/control",
        media_tls_authority=Path("/etc/zhenjian/inner.pem"),
    )
    assert open_channels(safe) == []
