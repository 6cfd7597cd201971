"""For whom a request is: only for the route that its connection was made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bothways.addresses import TCPAddress
from bothways.gateway.http.messages import RefusedRequest
from bothways.gateway.http.request_authority import check_authority, server_name_of
from bothways.tls.handshake.server.start import ServiceRequest

HERE = TCPAddress("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"app.example", "app.example"),
        (b"APP.Example.:8443", "app.example"),
        (b"under_score.example", "under_score.example"),
        (b"192.0.2.1:443", None),
        (b"[2001:db8::1]", None),
        (b"[::1]:8443", None),
    ],
)
def test_an_authority_is_a_name_or_an_address(authority: bytes, name: str | None) -> None:
    assert server_name_of(authority) == name


@pytest.mark.parametrize(
    "authority",
    [
        b"",
        b"user@app.example",
        b"app.example:",
        b"app.example:65536",
        b"app.example:0x50",
        b"app.example/",
        b"app.example,other.example",
        b"app example",
        b"app..example",
        b"[::1",
        b"[app]",
        b"[192.0.2.1]",
        b"192.0.2.256",
        b"2001:db8::1",
        "äpp.example".encode(),
        b"app.example\x00",
    ],
)
def test_an_invalid_authority_is_refused(authority: bytes) -> None:
    with pytest.raises(RefusedRequest, match="no host") as refused:
        server_name_of(authority)
    assert refused.value.status == 400


@dataclass
class Names:
    """Routes by name, as those of a file are asked for; None is the one for clients without a name."""

    all: dict[str | None, Any]

    def find(self, listener: object, asked: ServiceRequest) -> Any:
        assert (listener, asked.protocols) == (HERE, (b"h2",)), "all else is as in the handshake"
        return self.all.get(asked.server_name)


def test_only_an_authority_of_the_same_route_is_served() -> None:
    """RFC 9110 15.5.20, RFC 9113 9.1.2: also where one certificate stands for several hosts."""
    one, two, nameless = object(), object(), object()
    routes: Any = Names({"a.example": one, "b.example": one, "c.example": two, None: nameless})

    def check(authority: bytes, route: Any, asked: str | None) -> None:
        check_authority(authority, routes, route, HERE, ServiceRequest(asked, (b"h2",)))

    check(b"a.example", one, "a.example")
    check(b"B.example:8443", one, "a.example")
    check(b"192.0.2.1", nameless, None)
    for authority, route, asked in [
        (b"c.example", one, "a.example"),
        (b"d.example", one, "a.example"),
        (b"192.0.2.1", one, "a.example"),
        (b"a.example", nameless, None),
    ]:
        with pytest.raises(RefusedRequest, match="not made for that host") as refused:
            check(authority, route, asked)
        assert refused.value.status == 421
