"""RFC 3986, RFC 9110 4.2: which URLs are taken, and where redirects lead."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.http.location import URL_LIMIT, parse, redirected


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://api.example", "api.example", "/"),
        ("https://api.example:443/a?b=c#part", "api.example", "/a?b=c"),
        ("HTTPS://API.Example:8443/A", "api.example:8443", "/A"),
        ("https://[2001:db8:0::1]:8443/", "[2001:db8::1]:8443", "/"),
        ("https://127.0.0.1/?q=%20%2F", "127.0.0.1", "/?q=%20%2F"),
        ("https://bücher.example/straße?ü=1", "xn--bcher-kva.example", "/stra%C3%9Fe?%C3%BC=1"),
        ("https://api.example?q", "api.example", "/?q"),
    ],
)
def test_a_url_is_taken_apart(url, authority, target):
    location = parse(url)
    assert (location.authority, location.target) == (authority, target)
    assert str(location) == f"https://{authority}{target}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("api.example", "expected https://"),
        ("http://api.example/", "expected https://"),
        ("ftp://api.example/", "expected https://"),
        ("https:///path", "it has no host"),
        ("https://", "it has no host"),
        ("https://api.example:port/", "port of 1 to 65535"),
        ("https://api.example:99999/", "port of 1 to 65535"),
        ("https://api.example:0/", "port of 1 to 65535"),
        ("https://me@api.example/", "user name"),
        ("https://me:pw@api.example/", "user name"),
        ("https://@api.example/", "user name"),
        ("https://api.example/a b", "space"),
        ("https://api.example/a\r\nHost: x", "control character"),
        ("https://api.example/\x7f", "control character"),
        ("https://[::1/", "neither a valid name nor an IP address"),
        ("https://[fe80::g]/", "IPv6|valid|hextet|address"),
        ("https://ü..example/", "neither a valid name"),
        ("https://api.example/" + "a" * URL_LIMIT, "longer than"),
    ],
)
def test_an_invalid_https_url_is_refused_with_the_reason(url, said):
    with pytest.raises(ConfigError, match=said):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:sesame@api.example/",
        "https://me:sesame@api.example:99999/",
        "https://me:sesame@api exam/",
        "http://me:sesame@api.example/@",
        "https://me:se@same:sesame@api.example",
        "https://me:sesame@[::1/",
    ],
)
def test_a_password_in_a_url_that_is_refused_is_not_repeated(url):
    """Errors end up in logs, and on screens."""
    for refused in (lambda: parse(url), lambda: redirected(parse("https://api.example/"), url)):
        with pytest.raises(ConfigError) as error:
            refused()
        assert "sesame" not in str(error.value)
        assert "se@" not in str(error.value)


@pytest.mark.parametrize(
    ("to", "whole"),
    [
        ("/b?c", "https://api.example/b?c"),
        ("b", "https://api.example/x/b"),
        ("?c", "https://api.example/x/a?c"),
        ("//other.example/b", "https://other.example/b"),
        ("https://api.example:444/", "https://api.example:444/"),
        ("https://API.example:443/", "https://api.example/"),
    ],
)
def test_a_redirect_is_read_against_where_it_came_from(to, whole):
    assert str(redirected(parse("https://api.example/x/a"), to)) == whole


@pytest.mark.parametrize(
    "to", ["http://api.example/", "javascript:alert(1)", "https://[", "/" + "a" * URL_LIMIT, "/\x00"]
)
def test_a_redirect_to_what_is_no_https_url_is_refused(to):
    with pytest.raises(ConfigError):
        redirected(parse("https://api.example/"), to)


def test_the_origin_is_host_and_port():
    """RFC 9110 4.3.1: neither case nor the default port make another one."""
    one = parse("https://api.example/").origin
    assert one == parse("https://API.example:443/other").origin
    assert one not in {parse("https://api.example:444/").origin, parse("https://x.api.example/").origin}
