"""Process configuration: settings of the installation, by environment (``ZHENJIAN_…``) or file.

Business settings that a hospital changes while it runs live in :mod:`core.settings`.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.defence.addresses import Internal
from core.defence.secret_files import with_files

DEFAULT_DATA_DIR = Path("var")
_TURN_URL = re.compile(r"turns?:([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?(\?transport=(udp|tcp))?")


class Config(BaseSettings):
    """Every setting that a process reads at start-up."""

    model_config = SettingsConfigDict(
        env_prefix="ZHENJIAN_",
        env_file=os.environ.get("ZHENJIAN_ENV_FILE", "zhenjian.env"),
        env_file_encoding="utf-8",
        extra="forbid",
        frozen=True,
    )

    demo: bool = Field(False, description="Demo mode: embedded PostgreSQL and simulators.")
    host: str = Field("127.0.0.1", description="Address that the web process listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the web process.")
    public_url: str | None = Field(None, description="Address that people and outside systems use.")
    data_dir: Path = Field(DEFAULT_DATA_DIR, description="Journals, local files, demo database.")
    database_url: SecretStr | None = Field(None, description="postgresql://user:password@host/name")
    database_wait: float = Field(
        0,
        ge=0,
        le=600,
        description="Seconds that a start waits for a database that is not up to date yet.",
    )
    database_pool: int = Field(10, ge=2, le=200, description="Database connections per process.")
    storage_url: str | None = Field(
        None, description="file:///… or s3://bucket; default: data_dir."
    )
    key_file: Path | None = Field(
        None, description="Key file, mode 0600; default: data_dir/keys.json."
    )
    kek: Literal["file", "pkcs11"] = Field(
        "file", description="Where new key-encryption keys are made: key file or hardware module."
    )
    pkcs11_module: Path | None = Field(None, description="The module's PKCS#11 library, *.so.")
    pkcs11_token: str = Field("zhenjian", description="Label of the token in that module.")
    pkcs11_pin: SecretStr | None = Field(None, description="PIN of the token's user.")
    pkcs11_pin_file: Path | None = Field(None, description="File that holds the PIN, mode 0600.")
    pkcs11_label: str = Field("zhenjian-kek", description="Label of the keys in the token.")
    anchors: str = Field(
        "file", description="Where the audit chain is anchored: file, storage, or file,storage."
    )
    anchor_folder: Path | None = Field(
        None, description="Folder of the file anchor; default: data_dir/anchors."
    )
    anchor_name: str = Field(
        "file",
        description="Name of the file anchor; workers that share no folder need one each.",
    )
    modules: str = Field("", description="Modules served here, comma separated; empty: all.")
    log_format: Literal["json", "console"] = Field("json", description="Form of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least weight of a log line."
    )
    relay: bool = Field(True, description="Run the outbox relay and jobs inside the web process.")
    tls_certificate: Path | None = Field(
        None, description="Certificate chain of the web process, PEM; else a proxy speaks TLS."
    )
    tls_key: Path | None = Field(None, description="Key of that certificate, PEM.")
    tls_authority: Path | None = Field(
        None, description="Certificate of the local authority, offered to phones (--lan)."
    )
    trusted_proxies: str = Field("127.0.0.1", description="Addresses whose X-Forwarded-For counts.")

    redis_url: SecretStr | None = Field(
        None,
        description="redis://…, rediss://… or unix://…: bus of the processes, limits they share.",
    )
    rate_limits: bool = Field(True, description="Count and refuse floods; off for load tests.")
    requests_at_once: int = Field(
        256, ge=8, le=10_000, description="Requests that one web process works on at once."
    )
    internal_hosts: str = Field(
        "",
        description="Hosts and networks that addresses out of data may lead to, comma separated.",
    )
    scanner: Literal["off", "required"] = Field(
        "off", description="Whether uploads must be scanned for viruses."
    )
    scanner_url: str | None = Field(
        None, description="clamd: tcp://host:3310 or unix:///run/clamav/clamd.ctl."
    )
    scanner_wait: float = Field(
        10.0, ge=0, le=120, description="Seconds that an upload waits for the scanner to come back."
    )

    media_host: str = Field(
        "127.0.0.1", description="Address that the media port binds; :: for IPv6 and IPv4."
    )
    media_port: int = Field(8200, ge=1, le=65535, description="UDP port of the media worker.")
    media_control_host: str = Field("127.0.0.1", description="Address of the control server.")
    media_control_port: int = Field(
        8300, ge=1, le=65535, description="TCP port of the control server."
    )
    media_announced_addresses: str = Field(
        "127.0.0.1",
        description="IP addresses told to clients, comma separated, the best first; behind a 1:1 "
        "NAT the public ones.",
    )
    media_workers: str = Field(
        "", description="Control addresses (ws://host:port/control), comma separated."
    )
    media_secret: SecretStr | None = Field(
        None, description="Secret between web and media workers."
    )
    media_codecs: str = Field(
        "opus,vp8,h264",
        description="Codecs that calls offer, the best first; vp9 and av1 may be added where all "
        "devices know them.",
    )
    media_compiled: bool = Field(
        True, description="Use the compiled form of the packets' way, once `make compiled` was run."
    )
    media_turn_urls: str = Field(
        "",
        description="TURN addresses told to the people of a call, comma separated: "
        "turn:host:3478?transport=udp, turns:host:443?transport=tcp.",
    )
    media_turn_secret: SecretStr | None = Field(
        None, description="Secret shared with the TURN server (coturn's static-auth-secret)."
    )
    media_turn_seconds: int = Field(
        3600, ge=60, le=86400, description="Seconds for which credentials for TURN hold."
    )

    media_tls_certificate: Path | None = Field(
        None, description="Certificate of the control server, or of the web process towards it."
    )
    media_tls_key: Path | None = Field(None, description="Key of that certificate, PEM.")
    media_tls_authority: Path | None = Field(
        None, description="Authority that web and media workers prove themselves to each other by."
    )

    speech_engine: Literal["off", "pocketsphinx", "sherpa", "tencent"] = Field(
        "off",
        description="What turns speech into text: an engine on the worker's processor, or a cloud.",
    )
    speech_model: Path | None = Field(None, description="Folder with the model of that engine.")
    speech_url: str = Field(
        "https://asr.tencentcloudapi.com", description="Address of the cloud recogniser."
    )
    speech_secret_id: str | None = Field(None, description="Key identifier at the cloud.")
    speech_secret_key: SecretStr | None = Field(None, description="Secret at the cloud.")

    sandbox_host: str = Field("127.0.0.1", description="Address of the simulators (demo only).")
    sandbox_port: int = Field(
        8100, ge=1, le=65535, description="Port of the simulators (demo only)."
    )
    sandbox_url: str | None = Field(
        None, description="Address of the simulators for browsers (demo only)."
    )
    sms_url: str | None = Field(None, description="SMS provider.")
    sms_key: str | None = Field(None, description="Key identifier at the SMS provider.")
    sms_secret: SecretStr | None = Field(None, description="Secret at the SMS provider.")
    real_name_url: str | None = Field(None, description="Real-name verification service.")
    real_name_key: str = Field("zhenjian", description="Key identifier at that service.")
    real_name_secret: SecretStr | None = Field(None, description="Secret at that service.")
    his_url: str | None = Field(None, description="Hospital information system.")
    his_key: str = Field("zhenjian", description="Key identifier at the HIS.")
    his_secret: SecretStr | None = Field(None, description="Secret at the HIS.")
    ca_url: str | None = Field(None, description="Certification authority.")
    ca_key: str = Field("zhenjian", description="Key identifier at the authority.")
    ca_secret: SecretStr | None = Field(None, description="Secret at the authority.")
    tsa_url: str | None = Field(None, description="Time-stamping authority (RFC 3161).")
    wechat_url: str = Field("https://api.mch.weixin.qq.com", description="WeChat Pay API address.")
    wechat_mchid: str | None = Field(None, description="WeChat Pay merchant number.")
    wechat_appid: str | None = Field(None, description="WeChat application id.")
    wechat_serial: str | None = Field(None, description="Serial of the merchant certificate.")
    wechat_private_key: Path | None = Field(None, description="Merchant's private key, PEM file.")
    wechat_api_v3_key: SecretStr | None = Field(None, description="APIv3 key, 32 characters.")
    wechat_login_url: str = Field(
        "https://api.weixin.qq.com", description="Interface of WeChat's accounts."
    )
    wechat_authorize_url: str = Field(
        "https://open.weixin.qq.com", description="Where WeChat asks a browser for consent."
    )
    wechat_mini_appid: str | None = Field(None, description="Mini-program at WeChat.")
    wechat_mini_secret: SecretStr | None = Field(None, description="Its secret.")
    wechat_web_appid: str | None = Field(None, description="Official account at WeChat.")
    wechat_web_secret: SecretStr | None = Field(None, description="Its secret.")
    alipay_url: str = Field("https://openapi.alipay.com", description="Alipay's open gateway.")
    alipay_page_url: str | None = Field(
        None, description="Address of its pages for browsers; default: the gateway."
    )
    alipay_appid: str | None = Field(None, description="Application at Alipay.")
    alipay_private_key: Path | None = Field(None, description="Our key there, PEM file.")
    alipay_public_key: Path | None = Field(None, description="Alipay's public key, PEM file.")
    oidc_client_secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="Secrets at the hospitals' single sign-on, by code."
    )
    wechat_platform_key: Path | None = Field(
        None, description="Platform certificate or public key, PEM."
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, data: Any) -> Any:
        return with_files(data, cls.model_fields, os.environ) if isinstance(data, dict) else data

    @field_validator("internal_hosts")
    @classmethod
    def _readable_hosts(cls, value: str) -> str:
        Internal.parse(value)
        return value

    @field_validator("scanner_url")
    @classmethod
    def _scanner_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("tcp://", "unix:///")):
            raise ValueError("Write tcp://host:port or unix:///path.")
        return value

    @field_validator("media_announced_addresses")
    @classmethod
    def _plain_addresses(cls, value: str) -> str:
        if not _split(value):
            raise ValueError("Name an address under which clients reach the media port.")
        for address in _split(value):
            ip_address(address)
        return value

    @model_validator(mode="after")
    def _reachable_media(self) -> Self:
        # Behind a NAT that translates between the families the two would differ; there is none.
        for address in self.announced:
            if ":" in address and ":" not in self.media_host:
                raise ValueError(f"Nobody reaches {address} while ZHENJIAN_MEDIA_HOST is IPv4.")
            if ":" not in address and ":" in self.media_host and self.media_host != "::":
                raise ValueError(f"Nobody reaches {address} while ZHENJIAN_MEDIA_HOST is IPv6.")
        return self

    @field_validator("media_codecs")
    @classmethod
    def _known_codecs(cls, value: str) -> str:
        named = _split(value)
        if unknown := set(named) - {"opus", "vp8", "h264", "vp9", "av1"}:
            raise ValueError(f"{', '.join(sorted(unknown))} is not forwarded.")
        if "opus" not in named or not {"vp8", "h264"} & set(named):
            raise ValueError("Every browser needs opus, and vp8 or h264.")
        if len(set(named)) < len(named):
            raise ValueError("A codec is named twice.")
        return value

    @field_validator("media_turn_urls")
    @classmethod
    def _turn_addresses(cls, value: str) -> str:
        for url in _split(value):
            if not _TURN_URL.fullmatch(url):
                raise ValueError("Write turn:host:port?transport=udp or turns:host:443.")
        return value

    @model_validator(mode="after")
    def _turn_complete(self) -> Self:
        if self.turn_urls and self.media_turn_secret is None:
            raise ValueError("ZHENJIAN_MEDIA_TURN_URLS needs ZHENJIAN_MEDIA_TURN_SECRET.")
        return self

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        taken: dict[int, str] = {}
        for name in ("port", "sandbox_port", "media_control_port"):
            other = taken.setdefault(getattr(self, name), name)
            if other != name:
                raise ValueError(
                    f"ZHENJIAN_{other.upper()} and ZHENJIAN_{name.upper()} are the same port."
                )
        return self

    @property
    def base_url(self) -> str:
        return (self.public_url or self.local_url).rstrip("/")

    @property
    def local_url(self) -> str:
        """Where the web process answers on this machine."""
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{'[::1]' if self.host == '::' else '127.0.0.1'}:{self.port}"

    @property
    def storage(self) -> str:
        return self.storage_url or (self.data_dir / "storage").as_uri()

    @property
    def keys(self) -> Path:
        return self.key_file or self.data_dir / "keys.json"

    @cached_property
    def announced(self) -> tuple[str, ...]:
        return _split(self.media_announced_addresses)

    @cached_property
    def codecs(self) -> tuple[str, ...]:
        return _split(self.media_codecs)

    @cached_property
    def turn_urls(self) -> tuple[str, ...]:
        return _split(self.media_turn_urls)

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """Control addresses of the media workers."""
        return _split(self.media_workers) or (f"ws://127.0.0.1:{self.media_control_port}/control",)

    @cached_property
    def served_modules(self) -> frozenset[str]:
        return frozenset(_split(self.modules))

    @field_validator("anchors")
    @classmethod
    def _known_anchors(cls, value: str) -> str:
        if not _split(value) or set(_split(value)) - {"file", "storage"}:
            raise ValueError("names file, storage or both")
        return value

    def require_database(self) -> str:
        if self.database_url is None:
            raise ValueError("ZHENJIAN_DATABASE_URL is not set.")
        return self.database_url.get_secret_value()


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
