"""Where a login comes from, told coarsely: no registry of addresses is asked. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address

_UNKNOWN = "未知地点"


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def network_of(address: str) -> str:
    """What two addresses of one place share.

    A whole private network is one place; otherwise the first three numbers of an IPv4 address or
    the first 48 bits of an IPv6 one. Empty when the address is unknown.
    """
    found = _parsed(address)
    if found is None:
        return ""
    if found.is_loopback:
        return "loopback"
    if found.is_private:
        return "private"
    if isinstance(found, IPv4Address):
        return str(found).rpartition(".")[0]
    return found.exploded[:14]


def place_of(address: str) -> str:
    """A few words for a device list: 本机, 内网 or the beginning of an outside address."""
    found = _parsed(address)
    if found is None:
        return _UNKNOWN
    if found.is_loopback:
        return "本机"
    if isinstance(found, IPv4Address):
        first, second, *_ = str(found).split(".")
        return f"{'内网' if found.is_private else '外网'} {first}.{second}.*.*"
    return "内网" if found.is_private else f"外网 {found.exploded[:9]}…"
