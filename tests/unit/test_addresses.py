import ipaddress
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.notifying import addresses
from hookwatch.notifying.addresses import Address
from hookwatch.settings import Network

VECTORS: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "vectors/ssrf_addresses.json").read_text())

PRIVATE_V4 = ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1"]
PUBLIC_V4 = ["1.1.1.1", "8.8.8.8", "93.184.216.34"]


def is_allowed(text: str, *networks: str) -> bool:
    allowed: list[Network] = [ipaddress.ip_network(network) for network in networks]
    return addresses.is_allowed(ipaddress.ip_address(text), allowed)


def mapped(text: str) -> str:
    return f"::ffff:{text}"


def translated(text: str) -> str:
    return str(ipaddress.IPv6Address(int(ipaddress.ip_address("64:ff9b::")) + int(ipaddress.ip_address(text))))


def compatible(text: str) -> str:
    return str(ipaddress.IPv6Address(int(ipaddress.ip_address(text))))


def six_to_four(text: str) -> str:
    return str(ipaddress.IPv6Address((0x2002 << 112) + (int(ipaddress.ip_address(text)) << 80) + 1))


def teredo(server: str, client: str) -> str:
    hidden = int(ipaddress.ip_address(client)) ^ 0xFFFF_FFFF
    return str(ipaddress.IPv6Address((0x2001_0000 << 96) + (int(ipaddress.ip_address(server)) << 64) + hidden))


@pytest.mark.parametrize("text", VECTORS["refuse"])
def test_a_vector_is_refused(text: str) -> None:
    assert not is_allowed(text)


@pytest.mark.parametrize("text", VECTORS["allow"])
def test_a_vector_is_allowed(text: str) -> None:
    assert is_allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        # IANA IPv4 Special-Purpose Address Registry, not globally reachable; multicast; class E
        "0.0.0.1",
        "0.255.255.255",
        "10.255.255.255",
        "100.127.255.255",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.170.2",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.2.255",
        "192.88.99.1",
        "192.88.99.255",
        "192.168.255.255",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.251",
        "232.1.1.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.254",
        # IANA IPv6 Special-Purpose Address Registry, and what is outside 2000::/3
        "::2",
        "64:ff9b:1::1",
        "64:ff9b:1::808:808",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:2::1",
        "2001:2:0:ffff::1",
        "2001:10::1",
        "2001:1f:ffff::1",
        "2001:20::1",
        "2001:2f:ffff::1",
        "2001:db8:ffff::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "8000::1",
        "fc00::1",
        "fdff:ffff::1",
        "fe80::1%eth0",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff00::1",
        "ff02::fb",
        "ff0e::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
)
def test_what_is_no_globally_routable_unicast_is_refused(text: str) -> None:
    assert not is_allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        "9.9.9.9",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.88.98.255",
        "192.88.100.1",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.254",
        "2600::1",
        "2001:200::1",
        "2001:67c:2e8::1",
        "2400:cb00::1",
        "2a00:1450:4001::200e",
        "2c0f:fb50::1",
    ],
)
def test_what_lies_beside_a_special_network_is_allowed(text: str) -> None:
    assert is_allowed(text)


@pytest.mark.parametrize("embed", [mapped, translated, compatible, six_to_four])
@pytest.mark.parametrize("text", [*PRIVATE_V4, "224.0.0.1", "255.255.255.255"])
def test_a_private_address_inside_an_ipv6_one_is_refused(embed: Callable[[str], str], text: str) -> None:
    assert not is_allowed(embed(text))


@pytest.mark.parametrize("embed", [mapped, translated])
@pytest.mark.parametrize("text", PUBLIC_V4)
def test_a_public_address_mapped_or_translated_is_judged_as_itself(embed: Callable[[str], str], text: str) -> None:
    assert is_allowed(embed(text))


@pytest.mark.parametrize("text", PUBLIC_V4)
def test_retired_tunnels_and_compatible_addresses_are_refused_whatever_they_embed(text: str) -> None:
    assert not is_allowed(six_to_four(text))
    assert not is_allowed(teredo(text, text))
    assert not is_allowed(teredo(text, "10.0.0.1"))
    assert not is_allowed(compatible(text))


@settings(deadline=None, max_examples=200)
@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_never_allowed_where_it_itself_is_not(address: ipaddress.IPv4Address) -> None:
    itself = addresses.is_allowed(address)

    for embed in (mapped, translated):
        assert is_allowed(embed(str(address))) is itself
    for embed in (compatible, six_to_four):
        assert not is_allowed(embed(str(address))) or itself


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["::/3", "4000::/2", "8000::/1", "2001:db8::/32", "2002::/16", "2001::/32", "ff00::/8"]).flatmap(
        lambda network: st.ip_addresses(network=network)
    )
)
def test_nothing_of_ipv6_outside_the_allocated_networks_is_allowed_but_an_embedded_public_address(
    address: Address,
) -> None:
    assert isinstance(address, ipaddress.IPv6Address)
    is_embedded = address.ipv4_mapped is not None or address in ipaddress.ip_network("64:ff9b::/96")

    assert is_embedded or not addresses.is_allowed(address)


@pytest.mark.parametrize(
    ("text", "network", "expected"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "127.0.0.1/32", True),
        ("127.0.0.2", "127.0.0.1/32", False),
        ("10.0.0.1", "127.0.0.0/8", False),
        ("::1", "::1/128", True),
        ("::1", "127.0.0.0/8", False),
        ("127.0.0.1", "::1/128", False),
        ("fd00::1", "fd00::/8", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("::ffff:127.0.0.1", "127.0.0.0/8", True),
        ("64:ff9b::7f00:1", "127.0.0.0/8", True),
        ("64:ff9b::7f00:1", "64:ff9b::/96", False),
        ("8.8.8.8", "127.0.0.0/8", True),
        ("169.254.169.254", "10.0.0.0/8", False),
    ],
)
def test_a_network_that_the_deployment_allows_is_allowed_and_no_other(text: str, network: str, expected: bool) -> None:
    assert is_allowed(text, network) is expected


def test_of_several_allowed_networks_each_counts() -> None:
    assert is_allowed("10.1.2.3", "127.0.0.0/8", "::1/128", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_a_host_that_is_an_address_is_parsed(host: str, expected: str) -> None:
    assert addresses.parse(host) == ipaddress.ip_address(expected)


@pytest.mark.parametrize(
    "host",
    [
        "receiver.example",
        "localhost",
        "",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "1.2.3.4.5",
        "\u0661.1.1.1",
    ],
)
def test_a_host_that_is_a_name_is_none(host: str) -> None:
    assert addresses.parse(host) is None
