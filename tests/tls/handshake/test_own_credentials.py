"""Our credentials are found by the server name, and by the kind of their keys, whatever their number."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest

from bothways import ClientConfig, Credentials, ServerConfig
from bothways.tls.handshake.own_credentials import CurrentCredentials, OwnCredentials
from tls.handshake.conversations import anchors, credentials, identity

NAMES = [
    "a.example",
    "*.example",
    "*.a.example",
    "b.a.example",
    "A.Example",
    "*.*.example",
    "*",
    "1.2.3.4",
    "x_y.example",
]
WANTED = (
    "a.example A.EXAMPLE b.example b.a.example c.a.example example c.b.a.example *.example * 1.2.3.4 x_y.example "
    "a.example. .example a..example"
)


@pytest.mark.parametrize("wanted", ["", *WANTED.split()])
def test_credentials_found_by_a_name_are_valid_for_it(wanted: str) -> None:
    """RFC 9525 6.3: the same as each asked alone, in their order."""
    own = tuple(credentials(name) for name in NAMES)
    assert OwnCredentials(own).named(wanted) == tuple(each for each in own if each.matches(wanted))


def test_first_of_each_kind_of_key_stands_for_all_of_it() -> None:
    """RFC 9846 4.5.1.2: a client without a server name can tell them apart by their keys alone."""
    ec, rsa, curve = (
        credentials("a.example"),
        credentials("b.example", "RSA-2048"),
        credentials("c.example", "P-384"),
    )
    own = OwnCredentials((ec, credentials("d.example"), rsa, curve, credentials("e.example", "RSA-2048")))
    assert own.of_each_kind == (ec, rsa, curve)


def test_credentials_that_do_not_change_are_looked_through_once() -> None:
    """The same object for each handshake."""
    current = CurrentCredentials((credentials("a.example"),))
    assert current.value is current.value


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of functions, in Python and C."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def served(count: int) -> tuple[ServerConfig, str]:
    """Return a server of so many names, and the last of them. Nobody verifies their certificates."""
    issued = identity("name-000.example")
    ders = [issued.der.replace(b"name-000.example", b"name-%03d.example" % number) for number in range(count)]
    own = [Credentials.from_pem(der, issued.key_pem) for der in ders]
    return ServerConfig(credentials=own), f"name-{count - 1:03d}.example"


@pytest.mark.parametrize("schemes", [("ecdsa_secp256r1_sha256",), ("rsa_pss_rsae_sha256",)])
@pytest.mark.parametrize("is_known", [True, False])
def test_many_names_cost_a_stranger_no_more_work_than_one(schemes: tuple[str, ...], is_known: bool) -> None:
    """Neither a name that is served, nor one that is not, nor a client that no key of ours fits."""
    found = []
    for count in (2, 300):
        server, name = served(count)
        client = ClientConfig(anchors=anchors(), schemes=schemes).connection(
            name if is_known else "unknown-12.example"
        )
        hello = client.data_to_send()
        server.connection().receive(hello)  # what is remembered of a key is remembered now
        found.append(calls_of(partial(server.connection().receive, hello)))
    assert found[1] < found[0] + 100  # the garbage collector calls a few
