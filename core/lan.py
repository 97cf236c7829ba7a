"""Opening an installation to phones on the local network: HTTPS with an authority of our own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

import segno

from core.config import Config
from core.tls import LocalCertificate, lan_addresses, local_certificate

AUTHORITY_PATH = "/local-authority.crt"


@dataclass(frozen=True)
class Lan:
    """Where phones find this machine, and the certificate that it shows them."""

    url: str
    host: str
    files: LocalCertificate
    settings: dict[str, str]

    def say(self) -> str:
        """What the person at the terminal needs to know to trust the certificate on a phone."""
        code = segno.make(self.url + "/")
        picture = _blocks(code)
        return (
            f"\n{picture}\n"
            f"  局域网地址 On the local network   {self.url}/\n"
            "  手机首次使用须信任本机证书颁发机构 A phone trusts this machine once:\n"
            f"  1. 打开 Open {self.url}{AUTHORITY_PATH}  （先跳过警告 past the warning）\n"
            f"  2. 核对指纹 Compare SHA-256 {self.files.fingerprint()}\n"
            "  3. iOS：设置→已下载描述文件→安装，再到 通用→关于本机→证书信任设置 打开\n"
            "     Android：设置→安全→加密与凭据→安装证书→CA 证书\n"
            f"  颁发机构文件 Authority file        {self.files.authority}\n"
        )


def open_to_lan(config: Config, now: datetime) -> Lan:
    """The settings (as environment variables) that serve HTTPS on this machine's own addresses.

    Raises TlsProblem without a network or when a file cannot be used.
    """
    addresses = lan_addresses()
    files = local_certificate(config.data_dir / "tls", addresses, now)
    version6 = ipaddress.ip_address(addresses[0]).version == 6
    host = f"[{addresses[0]}]" if version6 else addresses[0]
    everywhere = "::" if version6 else "0.0.0.0"  # noqa: S104 - it is what --lan asks for
    url = (config.public_url or f"https://{host}:{config.port}").rstrip("/")
    settings = {
        "ZHENJIAN_HOST": everywhere,
        "ZHENJIAN_PUBLIC_URL": url,
        "ZHENJIAN_TLS_CERTIFICATE": str(files.certificate),
        "ZHENJIAN_TLS_KEY": str(files.key),
        "ZHENJIAN_TLS_AUTHORITY": str(files.authority),
        "ZHENJIAN_MEDIA_HOST": everywhere,
        "ZHENJIAN_MEDIA_ANNOUNCED_ADDRESSES": addresses[0],
    }
    return Lan(url, host, files, settings)


def _blocks(code: segno.QRCode) -> str:
    """The code in half blocks, two rows of modules to a line, dark on light."""
    rows = [list(row) for row in code.matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    shapes = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    lines = [
        "".join(shapes[bool(upper), bool(lower)] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]
    return "\n".join(f"  {line}" for line in lines)
