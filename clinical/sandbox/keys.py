"""The keys of the simulated world, made once and kept in the data folder."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

KEY_ID = "zhenjian"
ALIPAY_APPID = "2021000000000001"
CERTIFICATE_YEARS = 5


@dataclass(frozen=True)
class Secrets:
    """Numbers and shared secrets."""

    mchid: str
    appid: str
    api_v3_key: str
    sms_secret: str
    real_name_secret: str
    his_secret: str
    ca_secret: str = ""
    wechat_secret: str = ""
    oidc_secret: str = ""
    speech_secret: str = ""

    @property
    def wechat_web_appid(self) -> str:
        """The official account; the mini-program and the payments share `appid`."""
        return "wx" + hashlib.sha256(self.appid.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeyPair:
    """An RSA key with its self-signed certificate."""

    private_key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def serial(self) -> str:
        return f"{self.certificate.serial_number:X}"

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Keys:
    """Everything that the simulators and their one merchant share."""

    secrets: Secrets
    platform: KeyPair
    merchant: KeyPair
    alipay: KeyPair


def load(folder: Path) -> Keys:
    """The keys in `folder`, made on first use; private files are readable to their owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Keys(
        _load_secrets(folder / "secrets.json"),
        _load_pair(folder, "platform", "Simulated WeChat Pay platform"),
        _load_pair(folder, "merchant", "Simulated merchant"),
        _load_pair(folder, "alipay", "Simulated Alipay"),
    )


def alipay_public_key(folder: Path, keys: Keys) -> Path:
    """Alipay hands its bare public key out as a file."""
    path = folder / "alipay.pub.pem"
    public = keys.alipay.private_key.public_key()
    write_private(
        path,
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
    return path


def demo_settings(data_dir: Path, url: str = "http://127.0.0.1:8100") -> dict[str, str]:
    """The environment that points every adapter at the simulators under `url`.

    Makes the keys when they do not exist yet. The values include secrets: pass them to child
    processes or a private file, never to a log.
    """
    folder = data_dir / "sandbox"
    keys = load(folder)
    values = keys.secrets
    return {
        "ZHENJIAN_SMS_URL": url,
        "ZHENJIAN_SMS_KEY": KEY_ID,
        "ZHENJIAN_SMS_SECRET": values.sms_secret,
        "ZHENJIAN_REAL_NAME_URL": url,
        "ZHENJIAN_REAL_NAME_SECRET": values.real_name_secret,
        "ZHENJIAN_HIS_URL": url,
        "ZHENJIAN_HIS_SECRET": values.his_secret,
        "ZHENJIAN_CA_URL": url,
        "ZHENJIAN_CA_SECRET": values.ca_secret,
        "ZHENJIAN_TSA_URL": f"{url}/ca/tsa",
        "ZHENJIAN_WECHAT_URL": url,
        "ZHENJIAN_WECHAT_MCHID": values.mchid,
        "ZHENJIAN_WECHAT_APPID": values.appid,
        "ZHENJIAN_WECHAT_SERIAL": keys.merchant.serial,
        "ZHENJIAN_WECHAT_PRIVATE_KEY": str(folder / "merchant.key.pem"),
        "ZHENJIAN_WECHAT_LOGIN_URL": url,
        "ZHENJIAN_WECHAT_AUTHORIZE_URL": url,
        "ZHENJIAN_WECHAT_MINI_APPID": values.appid,
        "ZHENJIAN_WECHAT_MINI_SECRET": values.wechat_secret,
        "ZHENJIAN_WECHAT_WEB_APPID": values.wechat_web_appid,
        "ZHENJIAN_WECHAT_WEB_SECRET": values.wechat_secret,
        "ZHENJIAN_ALIPAY_URL": url,
        "ZHENJIAN_ALIPAY_APPID": ALIPAY_APPID,
        "ZHENJIAN_ALIPAY_PRIVATE_KEY": str(folder / "merchant.key.pem"),
        "ZHENJIAN_ALIPAY_PUBLIC_KEY": str(alipay_public_key(folder, keys)),
        "ZHENJIAN_OIDC_CLIENT_SECRETS": json.dumps({"renhe": values.oidc_secret}),
        "ZHENJIAN_SPEECH_ENGINE": "tencent",
        "ZHENJIAN_SPEECH_URL": f"{url}/tencent-asr",
        "ZHENJIAN_SPEECH_SECRET_ID": KEY_ID,
        "ZHENJIAN_SPEECH_SECRET_KEY": values.speech_secret,
        "ZHENJIAN_WECHAT_API_V3_KEY": values.api_v3_key,
        "ZHENJIAN_WECHAT_PLATFORM_KEY": str(folder / "platform.cert.pem"),
    }


def _load_secrets(path: Path) -> Secrets:
    if not path.exists():
        made = Secrets(
            mchid="19" + "".join(secrets.choice("0123456789") for _ in range(8)),
            appid="wx" + secrets.token_hex(8),
            api_v3_key=secrets.token_hex(16),
            sms_secret=secrets.token_urlsafe(24),
            real_name_secret=secrets.token_urlsafe(24),
            his_secret=secrets.token_urlsafe(24),
            ca_secret=secrets.token_urlsafe(24),
            wechat_secret=secrets.token_hex(16),
            oidc_secret=secrets.token_urlsafe(24),
            speech_secret=secrets.token_urlsafe(24),
        )
        write_private(path, json.dumps(asdict(made), indent=2).encode())
    loaded = Secrets(**json.loads(path.read_text()))
    # A folder may be from before there was a CA, or logins by other houses.
    younger = ("ca_secret", "wechat_secret", "oidc_secret", "speech_secret")
    missing = {name: secrets.token_hex(16) for name in younger if not getattr(loaded, name)}
    if missing:
        loaded = replace(loaded, **missing)
        write_private(path, json.dumps(asdict(loaded), indent=2).encode())
    return loaded


def _load_pair(folder: Path, name: str, title: str) -> KeyPair:
    key_path, certificate_path = folder / f"{name}.key.pem", folder / f"{name}.cert.pem"
    if not (key_path.exists() and certificate_path.exists()):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = _self_signed(key, title)
        write_private(
            key_path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        write_private(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    # Made here and readable to its owner alone: proving its primes again would take every start a
    # twentieth of a second a key.
    loaded = serialization.load_pem_private_key(
        key_path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise ValueError(f"{key_path} is not an RSA key.")
    return KeyPair(loaded, x509.load_pem_x509_certificate(certificate_path.read_bytes()))


def _self_signed(key: rsa.RSAPrivateKey, title: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * CERTIFICATE_YEARS))
        .sign(key, hashes.SHA256())
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read, complete or not at all."""
    partial = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
