"""Which machines may be asked: none of ours on the word of a stranger's certificate, unless it is allowed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bothways.trust.evidence.addresses import refusal, special_purpose
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.locations import read_location

OPEN = (
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "::ffff:8.8.8.8",
)


@pytest.mark.parametrize("address", OPEN)
def test_a_global_address_may_be_contacted(address: str) -> None:
    """Also behind NAT64 and 6to4, if the embedded address is global."""
    assert special_purpose(ip_address(address)) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "this machine"),
        ("127.255.255.254", "this machine"),
        ("0.0.0.0", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared by a carrier's customers"),
        ("100.100.100.200", "shared by a carrier's customers"),
        ("169.254.169.254", "a cloud's metadata"),
        ("168.63.129.16", "a cloud's metadata"),
        ("169.254.1.1", "link-local"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "for documentation"),
        ("198.18.0.1", "for benchmarks"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "this machine"),
        ("fe80::1", "link-local"),
        ("fd00:ec2::254", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "for documentation"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
        ("5f00::1", "reserved"),
        ("64:ff9b:1::a00:1", "reserved"),
        ("::ffff:127.0.0.1", "this machine"),
        ("::ffff:a9fe:a9fe", "a cloud's metadata"),
        ("::7f00:1", "reserved"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "a cloud's metadata"),
        ("2002:7f00:1::", "this machine"),
        ("2002:c0a8:101::1", "private"),
        ("2606:4700::5efe:10.0.0.1", "private"),
    ],
)  # fmt: skip
def test_a_special_purpose_address_is_recognised(address: str, words: str) -> None:
    """RFC 6890, and the metadata addresses of cloud providers, also embedded in IPv6."""
    assert special_purpose(ip_address(address)) == words


def refused(address: str, url: str = "http://ocsp.example/", **options) -> str | None:
    return refusal(address, read_location(url), Fetch(**options))


def test_an_internal_address_is_refused_with_the_reason() -> None:
    """The text says what the operator has to allow."""
    assert refused("8.8.8.8") is None
    assert refused("10.0.0.1") == "10.0.0.1 is private, and not allowed"
    assert "link-local" in refused("fe80::1%eth0")
    assert refused("nowhere") == "its host has no IP address"


def test_an_allowed_host_may_have_any_address_and_port() -> None:
    """No other name of the same host is allowed by that."""
    allowed = {"allow": ("PKI.Inner.",)}
    assert refused("10.0.0.1", "http://pki.inner:8888/", **allowed) is None
    assert refused("10.0.0.1", "http://ki.inner:8888/", **allowed) is not None
    assert refused("10.0.0.1", "http://sub.pki.inner/", **allowed) is not None


def test_an_allowed_network_may_have_any_name_and_port() -> None:
    """IPv4 and IPv6 separately: an IPv6 address that embeds an allowed one is not allowed."""
    allowed = {"allow": ("10.0.0.0/8", "::1")}
    assert refused("10.9.9.9", "http://any.example:8888/", **allowed) is None
    assert refused("::1", **allowed) is None
    assert refused("11.0.0.1", "http://any.example:8888/", **allowed) is not None
    assert refused("::ffff:10.0.0.1", **allowed) is not None


def test_a_global_address_is_contacted_at_the_ports_of_the_policy_only() -> None:
    """So that a certificate cannot direct us to the mail server of others."""
    assert refused("8.8.8.8", "http://ocsp.example:25/") == "port 25 is not allowed"
    assert refused("8.8.8.8", "http://ocsp.example:8080/", ports=(80, 8080)) is None
