"""What a peer's alert means where it comes: the check that was failed, in words, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

import pki
from bothways import Connection, PeerAlert
from bothways.faults import Fault
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.handshake.alert_meanings import meaning_of, refused_step
from bothways.tls.handshake.steps import Step
from pair import pair
from tls.handshake.conversations import (
    authority,
    client_config,
    credentials,
    credentials_of,
    server_config,
)


def refused(end: str, client: dict[str, Any], server: dict[str, Any], name: str = "localhost") -> PeerAlert:
    """The alert by which one side is refused by the other, which is what it says it is."""
    talk = pair(client_config(**client), server_config(**server), name)
    talk.exchange()
    mine: Connection = getattr(talk, end)
    assert isinstance(mine.failure, PeerAlert)
    return mine.failure


def client_with(**options: Any) -> dict[str, Any]:
    return {"credentials": credentials_of(pki.leaf(authority(), "client.example", **options))}


def server_with(**options: Any) -> dict[str, Any]:
    return {"credentials": credentials_of(pki.leaf(authority(), "localhost", **options))}


LATE = pki.NOW - pki.DAY
ELSEWHERE = credentials_of(pki.leaf(pki.root("Elsewhere"), "client.example"))

REFUSED = (
    ("client", {"credentials": None}, {}, Alert.CERTIFICATE_REQUIRED, "3.1", "requires a client certificate"),
    (
        "client",
        {"credentials": ELSEWHERE},
        {},
        Alert.UNKNOWN_CA,
        "3.3a",
        "finds no path from our certificate",
    ),
    (
        "client",
        client_with(not_after=LATE),
        {},
        Alert.CERTIFICATE_EXPIRED,
        "3.3b",
        "outside its validity period",
    ),
    ("client", client_with(usage=("serverAuth",)), {}, Alert.UNSUPPORTED_CERTIFICATE, "3.3a", "for a use"),
    (
        "client",
        {"alpn": ("h2",)},
        {"alpn": ("x",)},
        Alert.NO_APPLICATION_PROTOCOL,
        "1.2",
        "application protocols",
    ),
    (
        "client",
        {"suites": ("TLS_AES_256_GCM_SHA384",)},
        {"suites": ("TLS_AES_128_GCM_SHA256",)},
        Alert.HANDSHAKE_FAILURE,
        "1.2",
        "of our hello",
    ),
    (
        "client",
        {},
        {"unknown_server_name": "refuse", "credentials": credentials("a.example")},
        Alert.UNRECOGNIZED_NAME,
        "1.2",
        "no certificate for the name",
    ),
    (
        "server",
        {},
        server_with(not_after=LATE),
        Alert.CERTIFICATE_EXPIRED,
        "2.3b",
        "outside its validity period",
    ),
    ("server", {}, server_with(usage=("clientAuth",)), Alert.UNSUPPORTED_CERTIFICATE, "2.3a", "for a use"),
    (
        "server",
        {},
        {"credentials": credentials("a.example")},
        Alert.BAD_CERTIFICATE,
        "2.3a",
        "does not accept",
    ),
)


@pytest.mark.parametrize(("end", "client", "server", "alert", "step", "words"), REFUSED)
def test_refused_side_learns_the_step_and_the_meaning(
    end: str, client: dict[str, Any], server: dict[str, Any], alert: Alert, step: str, words: str
) -> None:
    """Whoever gets "handshake failure" or a bare alert is told what was wrong."""
    error = refused(end, client, server)
    assert (error.alert, error.step) == (alert, step)
    assert words in error.meaning and words in str(error)
    assert error.peer == ("server" if end == "client" else "client")
    assert f"refused the connection at step {step} with alert {alert.name.lower()}" in str(error)


@pytest.mark.parametrize("code", range(256))
def test_every_alert_has_a_meaning(code: int) -> None:
    """RFC 9846 6: those that nobody knows have no meaning, and are no error of ours."""
    meaning, hint = meaning_of(code)
    assert bool(meaning) or not hint
    for role in Role:
        for step in Step:
            for unconfirmed in (False, True):
                found = refused_step(role, step, code, unconfirmed=unconfirmed)
                assert found is None or found[0] in "23"


def test_client_that_is_done_is_refused_at_step_3_until_it_is_confirmed() -> None:
    """An alert before any word of the server is about our certificate."""
    late = Step.CONNECTED
    assert refused_step(Role.CLIENT, late, Alert.UNKNOWN_CA, unconfirmed=True) == "3.3a"
    assert refused_step(Role.CLIENT, late, Alert.CERTIFICATE_REVOKED, unconfirmed=True) == "3.3c"
    assert refused_step(Role.CLIENT, late, Alert.DECRYPT_ERROR, unconfirmed=True) == "3.4"
    assert refused_step(Role.CLIENT, late, Alert.INTERNAL_ERROR, unconfirmed=True) == "3"
    assert refused_step(Role.CLIENT, late, Alert.UNKNOWN_CA, unconfirmed=False) is None
    assert refused_step(Role.CLIENT, Step.WAIT_CV, Alert.UNKNOWN_CA, unconfirmed=True) is None


def test_a_peer_that_judges_again_names_the_check_that_no_longer_holds() -> None:
    """A certificate that was accepted may end or be revoked; it does not come to another CA."""
    for role, check in ((Role.CLIENT, "3.3"), (Role.SERVER, "2.3")):
        for alert, letter in ((Alert.CERTIFICATE_REVOKED, "c"), (Alert.CERTIFICATE_EXPIRED, "b")):
            assert refused_step(role, Step.CONNECTED, alert, unconfirmed=False) == check + letter
        assert refused_step(role, Step.CONNECTED, Alert.CERTIFICATE_UNKNOWN, unconfirmed=False) == check
        assert refused_step(role, Step.CONNECTED, Alert.UNKNOWN_CA, unconfirmed=False) is None


def test_server_is_refused_by_the_check_that_its_flight_failed() -> None:
    """RFC 9846 4.5: while it waits for the client's flight, an alert is about its own."""
    for step in (Step.WAIT_CERT, Step.WAIT_FINISHED):
        assert refused_step(Role.SERVER, step, Alert.DECRYPT_ERROR, unconfirmed=True) == "2.2"
        assert refused_step(Role.SERVER, step, Alert.CERTIFICATE_REVOKED, unconfirmed=True) == "2.3c"
        assert refused_step(Role.SERVER, step, Alert.INTERNAL_ERROR, unconfirmed=True) is None


def test_server_that_asks_after_the_handshake_was_accepted_in_it() -> None:
    """RFC 9846 4.7.2: an alert in the midst of the answer is of an open connection."""
    for step in (Step.WAIT_CERT_CONNECTED, Step.WAIT_CERT, Step.WAIT_FINISHED):
        assert refused_step(Role.SERVER, step, Alert.DECRYPT_ERROR, unconfirmed=False) is None
        assert refused_step(Role.SERVER, step, Alert.CERTIFICATE_REVOKED, unconfirmed=False) == "2.3c"


def test_alerts_that_we_send_have_a_meaning_for_who_gets_them() -> None:
    """Each alert of the table of faults is explained on the other side."""
    sent = {fault.alert for fault in Fault} - {Alert.USER_CANCELED}
    unexplained = sorted(alert.name for alert in sent if not meaning_of(alert)[0])
    assert unexplained == []
