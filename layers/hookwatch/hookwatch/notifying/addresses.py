"""Which addresses a delivery may reach: globally routable unicast, and the networks that the deployment allows."""

import ipaddress
from collections.abc import Iterable

from hookwatch.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network(
    "2000::/3"
)  # RFC 4291 §2.4: all that IANA has given out for the public internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# Named here, for what `is_global` says of them differs between versions of Python.
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.88.99.0/24",  # relays of 6to4, retired (RFC 7526)
            "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4 (RFC 3056), a retired way to reach an IPv4 address
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)


def is_allowed(address: Address, allowed_networks: Iterable[Network] = ()) -> bool:
    """Whether a connection to `address` may be made. An IPv4 address inside an IPv6 one is judged as itself."""
    address = _embedded(address) or address
    if any(address in network for network in allowed_networks if network.version == address.version):
        return True
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def parse(host: str) -> Address | None:
    """The address that a URL's host is, or None where it is a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
