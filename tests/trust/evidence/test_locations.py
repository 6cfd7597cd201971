"""Addresses of responders as strangers' certificates give them: which are read, and what they say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bothways.trust.evidence.locations import LONGEST, URLParts, is_host, read_location, redirected


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("http://ocsp.example", URLParts("http", "ocsp.example", 80, "/")),
        ("HTTP://OCSP.Example./a/b?c=d", URLParts("http", "ocsp.example", 80, "/a/b?c=d")),
        ("http://10.0.0.1:8888/ocsp", URLParts("http", "10.0.0.1", 8888, "/ocsp")),
        ("http://[2001:DB8::1]:81/x", URLParts("http", "2001:db8::1", 81, "/x")),
        ("http://a.example/x#part", URLParts("http", "a.example", 80, "/x")),
        ("http://a_b.example/", URLParts("http", "a_b.example", 80, "/")),
    ],
)
def test_a_url_is_decoded_into_its_parts(text: str, location: URLParts) -> None:
    """RFC 3986 3; the fragment is omitted."""
    assert read_location(text) == location


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ldap://ldap.example/cn=CA", "it is not an http address"),
        ("file:///etc/passwd", "it is not an http address"),
        ("ocsp.example/a", "it is not an http address"),
        ("https://ocsp.example/", "https is not allowed"),
        ("http://user:word@ocsp.example/", "it contains credentials"),
        ("http://inner@ocsp.example/", "it contains credentials"),
        ("http://", "it has no host"),
        ("http:///path", "it has no host"),
        ("http://-a.example/", "it has no host"),
        ("http://a..example/", "it has no host"),
        ("http://%31%32%37.0.0.1/", "it has no host"),
        ("http://ocsp.example:0/", "it names port 0"),
        ("http://ocsp.example:99999/", "Port out of range"),
        ("http://ocsp.example:8o/", "Port could not be cast"),
        ("http://[::1/", "Invalid IPv6"),
        ("http://ocsp.example/a b", "characters"),
        ("http://ocsp.example/\r\nHost: x", "characters"),
        ("http://ocsp.example\\@inner.example/", "characters"),
        ("http://öcsp.example/", "characters"),
        ("http://ocsp.example/" + "a" * LONGEST, "longer than"),
        ("", "characters"),
    ],
)
def test_an_unusable_url_is_refused_with_the_reason(text: str, problem: str) -> None:
    """Schemes, credentials, ports, hosts, lengths and characters."""
    with pytest.raises(ValueError, match=problem):
        read_location(text)


def test_an_https_url_is_accepted_where_it_is_allowed() -> None:
    """An option, since its certificate may need revocation checks too."""
    assert read_location("https://ocsp.example/", https=True) == URLParts("https", "ocsp.example", 443, "/")
    with pytest.raises(ValueError, match="it is not an http or https address"):
        read_location("ftp://ocsp.example/", https=True)


@pytest.mark.parametrize(
    "text",
    ["http://ocsp.example/a?b=c", "http://ocsp.example:81/", "https://ocsp.example/", "http://[::1]:8/"],
)
def test_a_location_is_shown_as_its_url(text: str) -> None:
    """Standard ports are omitted."""
    assert str(read_location(text, https=True)) == text


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("/b", "http://a.example/b"),
        ("c", "http://a.example/x/c"),
        ("http://b.example:81/", "http://b.example:81/"),
    ],
)
def test_a_redirect_is_relative_to_the_requested_url(to: str, target: str) -> None:
    """RFC 9110 10.2.2."""
    assert str(redirected(read_location("http://a.example/x/y"), to)) == target


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("https://a.example/", "https is not allowed"),
        ("file:///etc/passwd", "it is not an http address"),
        ("http://me@a.example/", "credentials"),
        ("a b", "something that is not a URL"),
        ("/" + "a" * LONGEST, "something that is not a URL"),
    ],
)
def test_a_redirect_is_checked_as_strictly_as_the_first_url(to: str, problem: str) -> None:
    """A responder may name no other URLs than a certificate."""
    with pytest.raises(ValueError, match=problem):
        redirected(read_location("http://a.example/x"), to)


def test_a_host_is_a_name_or_an_ipv4_address() -> None:
    """RFC 1123 2.1, with the underscores that are met in practice."""
    assert is_host("a-b.example") and is_host("127.0.0.1")
    assert not is_host("a" * 254) and not is_host("") and not is_host("a b") and not is_host("10.0.0.0/8")


TEXTS = st.text(max_size=60) | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True)


@given(TEXTS, TEXTS)
@example("http://[::ffff:1.2.3.4]:80/", "//[v1.x]/")
@example("http://a.example:80:80/", "http:b.example")
def test_any_text_is_a_location_or_a_value_error(text: str, to: str) -> None:
    """What is accepted is shown in a form that decodes to the same."""
    try:
        location = read_location(text, https=True)
    except ValueError:
        return
    assert read_location(str(location), https=True) == location
    with contextlib.suppress(ValueError):
        redirected(location, to, https=True)
