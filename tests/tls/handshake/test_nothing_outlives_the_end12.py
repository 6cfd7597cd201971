"""After a failure and after the close of TLS 1.2, no premaster or main secret can be reached any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bothways import Connection
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.handshake.client import script12 as client12
from bothways.tls.handshake.server import script12 as server12
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.record.protection import Protection12
from bothways.tls.wire.tls12 import ClientKeyExchange, ServerKeyExchange
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from inside import machinery
from pair import Pair
from tamper import altering, changing
from tls.handshake.conversations12 import CONVERSATIONS
from tls.handshake.test_nothing_outlives_the_end import Drawn, holds_nothing, observed, reachable


@contextmanager
def drawing() -> Iterator[Drawn]:
    """Within, premaster secrets and what is made of them are written down."""
    drawn = Drawn()
    make = MainSecret.__init__

    def made(self: MainSecret, suite: Any, premaster: bytes, *rest: Any) -> None:
        make(self, suite, premaster, *rest)
        keys = (self.client_keys.key, self.server_keys.key)
        drawn.values.update((premaster, self.secret, *keys))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MainSecret, "__init__", made)
        yield drawn


def start(drawn: Drawn, name: str) -> Pair:
    return CONVERSATIONS[name].pair(observed(drawn), observed(drawn))


def let_go(drawn: Drawn, end: Connection, *more: object) -> None:
    roots = (end, end.failure, *more)
    holds_nothing(drawn, *roots)
    held = [type(each).__name__ for each in reachable(*roots) if isinstance(each, (MainSecret, Protection12))]
    assert held == []


def other_end(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


NAMES = pytest.mark.parametrize("name", ["mutual", "key transport", "one-way"])


@NAMES
def test_watch_sees_the_secrets_of_a_living_connection(name: str) -> None:
    """Else the tests below would hold of anything."""
    with drawing() as drawn:
        talk = start(drawn, name)
        talk.exchange()
    for end in (talk.client, talk.server):
        kinds = {type(each) for each in reachable(end)}
        assert Protection12 in kinds and MainSecret in kinds
    assert len(drawn.values) >= 4


@NAMES
def test_nothing_outlives_the_close(name: str) -> None:
    """When both sides have closed."""
    with drawing() as drawn:
        talk = start(drawn, name)
        talk.exchange()
        talk.client.close()
        talk.exchange()
        talk.server.close()
        talk.exchange()
    let_go(drawn, talk.client, talk.client_events)
    let_go(drawn, talk.server, talk.server_events)


@NAMES
@pytest.mark.parametrize("sender", Role)
@pytest.mark.parametrize("kind", [ServerKeyExchange, ClientKeyExchange, CertificateVerify, Finished])
def test_nothing_outlives_a_failure(name: str, sender: Role, kind: type) -> None:
    """Wherever the handshake breaks, the kept errors and both connections hold no secret."""
    field = {ServerKeyExchange: "signature", ClientKeyExchange: "exchange_keys", Finished: "verify_data"}
    with drawing() as drawn, altering(sender, changing(kind, **{field.get(kind, "signature"): other_end})):
        talk = start(drawn, name)
        talk.exchange()
    if talk.client.failure is None and talk.server.failure is None:
        machinery(talk.client).out.alert(2, Alert.INTERNAL_ERROR)
        talk.exchange()
        talk.client.receive_eof()
    for end, events in ((talk.client, talk.client_events), (talk.server, talk.server_events)):
        assert end.failure is not None
        let_go(drawn, end, events)


def test_scripts_are_the_ones_that_are_watched() -> None:
    """The main secret is made where the watch looks for it."""
    assert client12.MainSecret is MainSecret and server12.MainSecret is MainSecret
