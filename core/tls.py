"""A local certificate authority for the house network, and TLS for inner channels.

Phones give camera and microphone to HTTPS pages only. Where no public certificate is at hand (a
demo on the ward, a test with real phones), `--lan` makes an authority of its own once and a server
certificate for this machine's addresses; whoever installs the authority's certificate on the phone
can call. In production a certificate of a public authority stands in the reverse proxy instead.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
# Apple's systems refuse server certificates of private authorities that live longer.
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
BACKDATED = timedelta(hours=1)
_Key = ec.EllipticCurvePrivateKey
# Inner channels use one certificate for both ends of a process.
_PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


class TlsProblem(Exception):
    """A certificate or key cannot be used; the text says which and why."""


@dataclass(frozen=True)
class LocalCertificate:
    """Files of a server certificate and of the authority that signed it."""

    authority: Path
    certificate: Path
    key: Path
    addresses: tuple[str, ...]

    def fingerprint(self) -> str:
        """The authority's SHA-256 in pairs, as phones show it before they trust."""
        digest = _read_certificate(self.authority).fingerprint(hashes.SHA256())
        return ":".join(f"{byte:02X}" for byte in digest)


def lan_addresses() -> tuple[str, ...]:
    """This machine's own addresses towards the network, the one for phones first.

    Asks the routing table by opening datagram sockets; nothing is sent. Raises TlsProblem without
    a network.
    """
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
                address = str(probe.getsockname()[0])
            except OSError:
                continue
        if not ipaddress.ip_address(address).is_loopback:
            found.append(address)
    if not found:
        raise TlsProblem("This machine has no network address: connect it, or leave out --lan.")
    return tuple(found)


def local_certificate(folder: Path, addresses: Sequence[str], now: datetime) -> LocalCertificate:
    """A server certificate for `addresses`, made or renewed where needed.

    The authority is made once and kept, so that phones trust it once; the server certificate is
    made again when it nears its end, when an address is new or when the authority is another one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = (*dict.fromkeys((*addresses, "127.0.0.1", "::1", "localhost", socket.gethostname())),)
    files = LocalCertificate(
        folder / "authority.pem", folder / "server.pem", folder / "server.key", names
    )
    authority, authority_key = _authority(files.authority, folder / "authority.key", now)
    if not _still_good(files, authority, now):
        key = ec.generate_private_key(ec.SECP256R1())
        _write(files.key, _key_bytes(key), 0o600)
        chain = _pem(_server(names, key, authority, authority_key, now)) + _pem(authority)
        _write(files.certificate, chain, 0o644)
    return files


def server_context(certificate: Path, key: Path, clients: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 and newer for a server; with `clients` every peer proves itself with a certificate.

    Raises TlsProblem.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, certificate, key)
    if clients is not None:
        _trust(context, clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    authority: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS towards a server that `authority` vouches for (None: the system's), with an own proof.

    Raises TlsProblem.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _trust(context, authority)
    if certificate is not None and key is not None:
        _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsProblem(f"Cannot use {certificate} with {key}: {error}") from error


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise TlsProblem(f"Cannot use the authority {authority}: {error}") from error


def _authority(path: Path, key_path: Path, now: datetime) -> tuple[x509.Certificate, _Key]:
    if path.exists() and key_path.exists():
        certificate = _read_certificate(path)
        if certificate.not_valid_after_utc > now + SERVER_LIFE:
            return certificate, _read_key(key_path)
    key = ec.generate_private_key(ec.SECP256R1())
    # The random part keeps two installations apart in a phone's list of authorities.
    name = _name(f"诊间 Zhenjian local authority {secrets.token_hex(3)}")
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key first: a certificate without its key would be trusted and never used.
    _write(key_path, _key_bytes(key), 0o600)
    _write(path, _pem(certificate), 0o644)
    return certificate, key


def _server(
    names: Sequence[str], key: _Key, authority: x509.Certificate, signer: _Key, now: datetime
) -> x509.Certificate:
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        _builder(_name(names[0]), authority.subject, key, now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    # A phone's clock may be behind ours.
    start = now - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _still_good(files: LocalCertificate, authority: x509.Certificate, now: datetime) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = _read_certificate(files.certificate)
    if certificate.issuer != authority.subject:
        return False
    if _read_key(files.key).public_key() != certificate.public_key():
        # A crash between the two files left a pair that does not fit.
        return False
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(each) for each in found.get_values_for_type(x509.IPAddress)}
    covered |= set(found.get_values_for_type(x509.DNSName))
    ends = certificate.not_valid_after_utc
    return covered >= set(files.addresses) and ends > now.astimezone(UTC) + RENEW_BEFORE


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsProblem(f"The certificate {path} cannot be read: {error}") from error


def _read_key(path: Path) -> _Key:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise TlsProblem(f"The key {path} cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TlsProblem(f"The key {path} is of another kind than this program makes.")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_bytes(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
