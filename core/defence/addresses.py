"""Network addresses: how clients are counted, and which ones a URL out of data may lead to."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: What a provider hands to one subscriber: everything in it is one client.
SUBSCRIBER_BITS = 64
#: Refused beyond what `ipaddress` calls not global: carrier NAT, translation, benchmarking, 6to4
#: and Teredo (which carry an IPv4 address inside), and the cloud's metadata services.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "100.100.100.200/32",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fd00:ec2::254/128",
        "ff00::/8",
    )
)


def client_key(host: str) -> str:
    """What an address is counted as: itself, or its /64 network for IPv6."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, SUBSCRIBER_BITS), strict=False))


def is_public(address: Address) -> bool:
    """Whether an address lies in the open internet, where nothing of the house answers."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id is not None:
            return False
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class Internal:
    """Systems inside the hospital that URLs out of data may lead to, by setting.

    Written as ``ocsp.hospital.local``, ``ocsp.hospital.local:8080``, ``10.1.2.3:80`` or
    ``10.8.0.0/16``, comma separated. A name without a port stands for 80 and 443.
    """

    hosts: frozenset[tuple[str, int]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Internal:
        """Raises ValueError for an entry that is neither a host nor a network."""
        hosts: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            if "/" in entry:
                networks.append(ipaddress.ip_network(entry))
                continue
            host, port = _host_and_port(entry)
            hosts.update((host, each) for each in ((port,) if port else (80, 443)))
        return cls(frozenset(hosts), tuple(networks))

    def admits_name(self, host: str, port: int) -> bool:
        """Whether a host is trusted by name, wherever it points."""
        return (host.lower().rstrip("."), port) in self.hosts

    def admits(self, address: Address) -> bool:
        """Whether an address lies in a trusted network."""
        return any(address in network for network in self.networks)


def _host_and_port(entry: str) -> tuple[str, int]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") > 1:
        host, port = entry, ""
    else:
        host, _, port = entry.partition(":")
    if not host or (port and not port.isdigit()):
        raise ValueError(f"'{entry}' is neither a host nor a network.")
    return host.rstrip("."), int(port) if port else 0
