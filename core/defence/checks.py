"""What `zhenjian check` warns of: settings that work and should not be left like that."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.config import Config
from core.defence.addresses import is_public
from core.defence.secret_files import PREFIX, files_named, secret_names

SHORTEST_SECRET = 16
_COMMON = frozenset(
    {"", "admin", "changeme", "default", "demo", "password", "postgres", "root", "secret", "test"}
    | {"123456", "12345678", "123456789", "zhenjian", "letmein", "qwerty", "redis"}
)


def warnings(config: Config, environment: Mapping[str, str]) -> list[str]:
    """A sentence for each; no value of a secret is ever in one."""
    return [
        *_readable_files(config, environment),
        *_weak_secrets(config),
        *_careless(config),
    ]


def _readable_files(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    files = {"the key file": config.keys}
    for name in ("wechat_private_key", "tls_key", "media_tls_key", "pkcs11_pin_file"):
        path = getattr(config, name, None)
        if isinstance(path, Path):
            files[PREFIX + name.upper()] = path
    for name, path in files_named(type(config).model_fields, environment).items():
        files[f"{PREFIX}{name.upper()}_FILE"] = path
    named = environment.get("ZHENJIAN_ENV_FILE", config.model_config.get("env_file"))
    files["the environment file"] = Path(str(named or "zhenjian.env"))
    for name, path in files.items():
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield f"{name}: everybody on this machine may read or write {path} (chmod o-rwx)."


def _weak_secrets(config: Config) -> Iterator[str]:
    for name in secret_names(type(config).model_fields):
        value = getattr(config, name)
        if not isinstance(value, SecretStr):
            continue
        setting, text = PREFIX + name.upper(), value.get_secret_value()
        if name.endswith("_url"):
            password = urlsplit(text).password
            if password is not None and password.lower() in _COMMON:
                yield f"{setting}: its password is a common word."
        elif name.endswith("_pin"):
            if len(text) < 6 or len(set(text)) < 3:
                yield f"{setting}: the PIN is too simple."
        elif text.lower() in _COMMON or len(text) < SHORTEST_SECRET or len(set(text)) < 6:
            yield f"{setting}: too short or too simple; 32 random characters are good."


def _careless(config: Config) -> Iterator[str]:
    if config.demo and (_is_open(config.host) or _is_open(_host_of(config.public_url))):
        yield "ZHENJIAN_DEMO: demo accounts have known passwords, and this address is public."
    if "*" in config.trusted_proxies:
        yield "ZHENJIAN_TRUSTED_PROXIES: with * anybody can pretend any address."
    if not config.rate_limits:
        yield "ZHENJIAN_RATE_LIMITS: floods are not refused; meant for load tests alone."
    if config.scanner == "off" and not config.demo:
        yield "ZHENJIAN_SCANNER: uploads are not scanned for viruses."
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name.endswith("_url") and isinstance(value, str) and urlsplit(value).password:
            yield f"{PREFIX}{name.upper()}: carries a password where logs may show it."


def _host_of(url: str | None) -> str:
    return urlsplit(url).hostname or "" if url else ""


def _is_open(host: str) -> bool:
    """Whether strangers may reach a host: a public address, every address, or a public name."""
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost" and not host.endswith((".local", ".localhost", ".test"))
    return address.is_unspecified or is_public(address)
