from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_engine.tools.http.addresses import AddressPolicy, Reach, reach_of, read_network

NOTHING_ALLOWED = AddressPolicy()
ALL_PRIVATE = AddressPolicy(all_private=True)

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.128.0.1",
    "172.32.0.1",
    "192.1.0.1",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
PRIVATE = [
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
]
NEVER = [
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "0.1.2.3",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::2",
    "::127.0.0.1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:169.254.169.254",
    "4000::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_may_be_connected_to(text):
    assert reach_of(ip_address(text)) is Reach.PUBLIC
    assert NOTHING_ALLOWED.permits(ip_address(text))


@pytest.mark.parametrize("text", [*PRIVATE, "2606:4700::5efe:10.0.0.1"])
def test_a_private_address_needs_permission(text):
    assert reach_of(ip_address(text)) is Reach.PRIVATE
    assert not NOTHING_ALLOWED.permits(ip_address(text))
    assert ALL_PRIVATE.permits(ip_address(text))


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_no_permission_opens(text):
    assert reach_of(ip_address(text)) is Reach.NEVER
    assert not ALL_PRIVATE.permits(ip_address(text))


def test_a_permitted_network_opens_nothing_else():
    policy = AddressPolicy(networks=(read_network("10.0.3.0/24"), read_network("fd12::/16")))

    assert policy.permits(ip_address("10.0.3.7"))
    assert policy.permits(ip_address("::ffff:10.0.3.7"))
    assert policy.permits(ip_address("fd12::1"))
    assert not policy.permits(ip_address("10.0.4.7"))
    assert not policy.permits(ip_address("127.0.0.1"))
    assert not policy.permits(ip_address("64:ff9b::10.0.3.7"))


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "0.0.0.0/0", "::/0", "169.254.169.254", "10.0.0.0/7", "fe80::/10", "words", ""],
)
def test_only_private_networks_can_be_permitted(text):
    with pytest.raises(ValueError, match=r".+"):
        read_network(text)


@given(st.ip_addresses(v=4))
@example(ip_address("0.0.0.1"))  # as the low bits of ``::`` it is this machine, by IPv6's own rule
def test_ipv4_inside_ipv6_is_judged_no_better_than_by_itself(address):
    order = [Reach.PUBLIC, Reach.PRIVATE, Reach.NEVER]
    plain = order.index(reach_of(address))
    low = int(address)
    shells = ["::ffff:0:0", "64:ff9b::", "::", "::ffff:0:0:0", "2606:4700::5efe:0:0"]
    for shell in shells:
        wrapped = IPv6Address(int(IPv6Address(shell)) | low)
        assert order.index(reach_of(wrapped)) >= plain or wrapped.is_loopback, wrapped


@given(st.ip_addresses())
def test_what_is_public_to_us_is_global_to_the_library_too(address):
    """Ours may be stricter; where it is looser, there is a reason to be named here."""
    if reach_of(address) is Reach.PUBLIC and address not in ip_network("64:ff9b::/96"):
        mapped = getattr(address, "ipv4_mapped", None) or address
        assert mapped.is_global
