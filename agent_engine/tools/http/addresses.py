"""Which IP addresses may be connected to: public ones, private ones by permission, some never.

Pure, and judged by networks of our own: ``ipaddress.is_global`` calls multicast, NAT64, 6to4 and
cloud platform addresses global. IPv4 inside IPv6 is taken out and judged too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


class Reach(StrEnum):
    """Who an address belongs to."""

    PUBLIC = "public"
    PRIVATE = "private"
    """Somebody's own network, this machine included."""
    NEVER = "never"
    """Nothing that a tool has business with: metadata services, link-local, multicast, reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Which addresses may be connected to."""

    networks: tuple[IpNetwork, ...] = ()
    """Private networks that are allowed."""
    all_private: bool = False
    """Whether every private network is allowed."""

    def permits(self, address: IpAddress) -> bool:
        """Say whether a connection to this address may be opened."""
        match reach_of(address):
            case Reach.PUBLIC:
                return True
            case Reach.NEVER:
                return False
            case Reach.PRIVATE:
                plain = _unmapped(address)
                return self.all_private or any(_holds(network, plain) for network in self.networks)


def reach_of(address: IpAddress) -> Reach:
    """Say who an address belongs to; of an address in an address, the worse of the two.

    >>> reach_of(ip_address("::ffff:10.0.0.1")).value
    'private'
    >>> reach_of(ip_address("64:ff9b::169.254.169.254")).value
    'never'
    """
    if isinstance(address, IPv4Address):
        return _reach_of_ipv4(address)
    if address.ipv4_mapped is not None:
        return _reach_of_ipv4(address.ipv4_mapped)
    if address in _NAT64:
        # A network without IPv4 reaches public IPv4 by these; private ones lie behind its gateway.
        inner = _reach_of_ipv4(_low_bits(address))
        return Reach.PUBLIC if inner is Reach.PUBLIC else Reach.NEVER
    reaches = {_reach_of_ipv6(address), *map(_reach_of_ipv4, _tunnelled(address))}
    return next(reach for reach in (Reach.NEVER, Reach.PRIVATE, Reach.PUBLIC) if reach in reaches)


def read_network(text: str) -> IpNetwork:
    """Read an address or a network that is to be allowed though it is private.

    Raises:
        ValueError: it is neither, or holds addresses that are not private.
    """
    network = ip_network(text.strip().strip("[]"), strict=False)
    if not any(_within(network, private) for private in _private(network)):
        raise ValueError(f"{text} is not within a private network")
    return network


# ------------------------------------------------------------------------------------------------


def _networks(*texts: str) -> tuple[IpNetwork, ...]:
    return tuple(ip_network(text) for text in texts)


_PRIVATE_IPV4: Final = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",  # shared with the provider
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
_NEVER_IPV4: Final = _networks(
    "0.0.0.0/8",  # this machine, on Linux
    "100.100.100.200/32",  # Alibaba Cloud's metadata
    "168.63.129.16/32",  # Azure's platform
    "169.254.0.0/16",  # link-local, and most clouds' metadata
    "192.0.0.0/24",  # protocol assignments, Oracle Cloud's metadata
    "192.0.2.0/24",  # documentation
    "192.52.193.0/24",  # AMT relays
    "192.88.99.0/24",  # 6to4 relays
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
)
_PRIVATE_IPV6: Final = _networks("::1/128", "fc00::/7")
_GLOBAL_IPV6: Final = ip_network("2000::/3")
_NEVER_IPV6: Final = _networks(
    "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "3fff::/20",  # documentation
    "fd00:ec2::/32",  # Amazon's metadata and credentials
    "fd20:ce::/32",  # Google's metadata
)
_NAT64: Final = ip_network("64:ff9b::/96")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
"""The upper half of an interface identifier whose lower half is an IPv4 address."""


def _reach_of_ipv4(address: IPv4Address) -> Reach:
    if any(address in network for network in _NEVER_IPV4):
        return Reach.NEVER
    if any(address in network for network in _PRIVATE_IPV4):
        return Reach.PRIVATE
    return Reach.PUBLIC


def _reach_of_ipv6(address: IPv6Address) -> Reach:
    """Judge an IPv6 address as such: what is not known to be in use is not connected to."""
    if any(address in network for network in _NEVER_IPV6):
        return Reach.NEVER
    if any(address in network for network in _PRIVATE_IPV6):
        return Reach.PRIVATE
    return Reach.PUBLIC if address in _GLOBAL_IPV6 else Reach.NEVER


def _tunnelled(address: IPv6Address) -> Iterator[IPv4Address]:
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield _low_bits(address)


def _low_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def _unmapped(address: IpAddress) -> IpAddress:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _private(network: IpNetwork) -> Sequence[IpNetwork]:
    return _PRIVATE_IPV4 if isinstance(network, IPv4Network) else _PRIVATE_IPV6


def _within(inner: IpNetwork, outer: IpNetwork) -> bool:
    return _holds(outer, inner.network_address) and inner.prefixlen >= outer.prefixlen


def _holds(network: IpNetwork, address: IpAddress) -> bool:
    return address.version == network.version and address in network


def read_address(text: str) -> IpAddress:
    """Read an address as a socket has it. Raises ValueError."""
    return ip_address(text.partition("%")[0])
