"""Who may come in, of the clients that are trusted: asked in the handshake and at each later judgement."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest

import pki
import tamper
from bothways import (
    Alert,
    CelRule,
    ConfigError,
    Data,
    Established,
    Fault,
    Peer,
    PeerAlert,
    PeerFault,
    PeerRule,
    Refusal,
    ServerConfig,
)
from bothways.roles import Role
from bothways.trust import CRLStore, Revocation
from bothways.trust.crl.revocation_list import CRL
from pair import FrozenClock, Pair, pair
from tls.handshake.conversations import client_config, credentials, server_config

CLIENT = Role.CLIENT
VERSIONS = ("1.3", "1.2")
OURS, ANOTHERS = PeerRule(cn="client.example"), PeerRule(cn="another.example")


def meet(version: str, allow: Any, *, anonymous: bool = False, **options: Any) -> Pair:
    """A client that says something at once, and a server that does too."""
    fields = {"versions": (version,), "clock": FrozenClock()}
    talk = pair(
        client_config(**fields | ({"credentials": None} if anonymous else {})),
        server_config(**fields | {"allow": allow, "client_auth": "request"} | options),
    )
    talk.client.send(b"from the client")
    talk.server.send(b"from the server")
    talk.exchange()
    return talk


def heard(events: list[Any]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Data)]


def assert_refused(talk: Pair, reason: str) -> None:
    """The server knows why, the client that it was refused; nothing was handed out or sent before."""
    error = talk.server.failure
    assert isinstance(error, PeerFault)
    assert (error.fault, error.step, error.alert) == (Fault.ACCESS_REFUSED, "3.3", Alert.ACCESS_DENIED)
    assert error.facts["reason"] == reason and reason in str(error)
    assert talk.server.peer is None
    reported = talk.client.failure
    assert isinstance(reported, PeerAlert)
    assert (reported.alert, reported.step, reported.peer) == (Alert.ACCESS_DENIED, "3.3", "server")
    assert not any(isinstance(event, Established) for event in talk.server_events)
    assert heard(talk.server_events) == heard(talk.client_events) == []


def assert_let_in(talk: Pair) -> None:
    assert talk.server.failure is None and talk.client.failure is None
    assert heard(talk.server_events) == [b"from the client"]
    assert heard(talk.client_events) == [b"from the server"]


REFUSED = tuple(
    tamper.Refusal(
        f"{what} in TLS {version}", CLIENT, Fault.ACCESS_REFUSED, Alert.ACCESS_DENIED, step="3.3",
        client={"versions": (version,)} | client, server={"versions": (version,), "client_auth": "request"} | server,
    )
    for version in VERSIONS
    for what, client, server in (
        ("a client of whom no rule holds", {}, {"allow": ANOTHERS}),
        ("a client without a certificate", {"credentials": None}, {"allow": OURS}),
        ("a client that a function does not let in", {}, {"allow": lambda peer: Refusal("not today")}),
    )
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_client_that_may_not_come_in_sees_why_its_connection_ends(case: tamper.Refusal) -> None:
    """RFC 9846 6.2: the alert, and on our side all that there is to say."""
    tamper.refused(case, client_config(**case.client), server_config(**case.server))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("allow", [None, OURS, [OURS], (ANOTHERS, OURS), lambda peer: None])
def test_a_client_comes_in_of_whom_one_rule_holds(version: str, allow: Any) -> None:
    """A rule, several, a function, or none of them: then who is trusted comes in."""
    assert_let_in(meet(version, allow))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("allow", [ANOTHERS, [ANOTHERS, PeerRule(dns="another.example")]])
def test_a_trusted_client_that_matches_no_rule_is_refused_before_any_data(version: str, allow: Any) -> None:
    """RFC 9846 6.2, RFC 5246 7.2.2: access_denied, for a valid certificate; in TLS 1.3 the client learns it late."""
    assert_refused(meet(version, allow), "no rule holds for CN=client.example")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expression_decides_as_other_rules_do(version: str) -> None:
    """Alone, and as one of several."""
    pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed: pip install -e '.[dev]'")
    ours, anothers = CelRule("cn == ['client.example']"), CelRule("cn == ['another.example']")
    for allow in (ours, [ANOTHERS, ours], [anothers, OURS]):
        assert_let_in(meet(version, allow))
    for refusing in (anothers, [ANOTHERS, anothers], CelRule("cn[1] == 'client.example'")):
        assert_refused(meet(version, refusing), "no rule holds for CN=client.example")
    with pytest.raises(ConfigError, match="^allow: 9 rules with `cel` of 36 characters; at most 8 of 768"):
        server_config(allow=[CelRule("true")] * 9)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_function_is_asked_of_the_verified_peer_and_refuses_with_its_reason(version: str) -> None:
    """Its reason is for our side alone."""
    asked: list[Peer | None] = []

    def allow(peer: Peer | None) -> Refusal:
        asked.append(peer)
        return Refusal("its contract ended")

    talk = meet(version, allow)
    assert_refused(talk, "its contract ended")
    (peer,) = asked
    assert peer is not None and peer.names.common_name == "client.example"
    assert "contract" not in str(talk.client.failure)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_anonymous_client_is_asked_about_as_none(version: str) -> None:
    """It comes in by a function that says so, and by no rule."""
    asked: list[Peer | None] = []
    assert_let_in(meet(version, asked.append, anonymous=True))
    assert asked == [None]
    assert_refused(meet(version, OURS, anonymous=True), "it showed no certificate")


@pytest.mark.parametrize("version", VERSIONS)
def test_allow_is_not_applied_to_a_client_that_is_not_trusted(version: str) -> None:
    """A certificate that is refused says nothing about anybody."""
    asked: list[Peer | None] = []
    clock = FrozenClock()
    clock.pass_time(10 * 365 * 86400)
    talk = pair(
        client_config(versions=(version,), clock=FrozenClock()),
        server_config(versions=(version,), clock=clock, allow=asked.append),
    )
    talk.exchange()
    assert isinstance(talk.server.failure, PeerFault)
    assert talk.server.failure.fault is Fault.CERTIFICATE_EXPIRED and asked == []


def fails(peer: Peer | None) -> None:
    raise ZeroDivisionError("a secret of the caller's")


async def waits(peer: Peer | None) -> None:
    """Is no function that can be asked."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("allow", "logged"),
    [
        (fails, "`allow` failed, so the client is refused"),
        (lambda peer: True, "returned bool, neither None nor a Refusal"),
        (lambda peer: False, "returned bool, neither None nor a Refusal"),
        (lambda peer: "no", "returned str, neither None nor a Refusal"),
        (lambda peer: waits(peer), "returned coroutine, neither None nor a Refusal"),
        (lambda peer: Refusal(""), "`allow` failed, so the client is refused"),
    ],
)
def test_any_unexpected_result_refuses_and_is_logged(
    version: str, allow: Any, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails closed; the client is told no more than that."""
    with caplog.at_level(logging.ERROR, "bothways"):
        talk = meet(version, allow)
    assert_refused(talk, "the decision about it failed, see our log")
    assert logged in caplog.text
    assert "secret" not in str(talk.server.failure)


class Asynchronous:
    async def __call__(self, peer: Peer | None) -> None:
        """Is no function that can be asked."""


@pytest.mark.parametrize(
    ("allow", "problem"),
    [
        (waits, "a coroutine function"),
        (functools.partial(waits), "a coroutine function"),
        (Asynchronous(), "a coroutine function"),
        (Asynchronous().__call__, "a coroutine function"),
        ("CN=client.example", "expected a PeerRule"),
        ((), "expected a PeerRule"),
        ([OURS, "CN=client.example"], "expected a PeerRule"),
        (True, "expected a PeerRule"),
    ],
)
def test_an_allow_that_cannot_decide_is_a_config_error(allow: Any, problem: str) -> None:
    """Before anybody comes."""
    with pytest.raises(ConfigError, match=f"^allow: {problem}"):
        server_config(allow=allow)


def test_no_authorization_without_client_verification() -> None:
    """It would never be asked."""
    with pytest.raises(ConfigError, match="^allow: not used, since client_auth is none"):
        ServerConfig(credentials=credentials("localhost"), allow=OURS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_an_open_connection_is_asked_about_whenever_it_is_judged(version: str) -> None:
    """Who may no more come in is sent away, as one that was revoked."""
    barred: set[str] = set()

    def allow(peer: Peer | None) -> Refusal | None:
        return Refusal("it was barred") if peer is None or peer.names.common_name in barred else None

    talk = meet(version, allow, judge_again="lapse")
    assert_let_in(talk)
    assert talk.server.judge_again() == []
    barred.add("client.example")
    (failed,) = talk.server.judge_again()
    error = failed.error  # type: ignore[attr-defined]
    assert (error.fault, error.step, error.facts["reason"]) == (Fault.ACCESS_REFUSED, "3.3", "it was barred")
    talk.exchange()
    assert isinstance(talk.client.failure, PeerAlert)
    assert talk.client.failure.alert == Alert.ACCESS_DENIED


@pytest.mark.parametrize("by", ["the caller", "the clock"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_anonymous_client_of_an_open_connection_is_asked_about_again(version: str, by: str) -> None:
    """Where the caller wants it, or when anchors or lists have changed; till then it stays."""
    barred: list[bool] = []
    lists = CRLStore()

    def allow(peer: Peer | None) -> Refusal | None:
        return Refusal("it was barred") if peer is None and barred else None

    clock = FrozenClock()
    options = {"judge_again": "change", "revocation": Revocation(crls=lists), "clock": clock}
    talk = meet(version, allow, anonymous=True, **options)
    server = talk.server
    assert server.established and server.judge_again() == []
    barred.append(True)
    assert server.tick() == [] and not server.evidence_changed
    if by == "the clock":
        deadline = server.next_deadline()
        assert deadline is not None
        clock.pass_time(3600)
        assert server.tick() == []
        lists.add(CRL(pki.crl(pki.root())))
        assert server.evidence_changed
        clock.pass_time(3600)
    (failed,) = server.tick() if by == "the clock" else server.judge_again()
    error = failed.error  # type: ignore[attr-defined]
    assert (error.fault, error.step, error.facts["reason"]) == (Fault.ACCESS_REFUSED, "3.3", "it was barred")
    talk.exchange()
    assert isinstance(talk.client.failure, PeerAlert)
    assert talk.client.failure.alert == Alert.ACCESS_DENIED


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"client_auth": "require"}, Fault.NO_CERTIFICATE),
        ({"client_auth": "request", "allow": OURS}, Fault.ACCESS_REFUSED),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_anonymous_client_is_refused_by_another_configuration(
    version: str, changed: dict[str, Any], fault: Fault, asks: bool
) -> None:
    """At once where the caller asks, and with its deadline where not; one that accepts it changes nothing."""
    clock = FrozenClock()
    talk = meet(version, lambda peer: None, anonymous=True, clock=clock)
    server, fields = talk.server, {"versions": (version,), "clock": clock}
    server.judge_by(server_config(**fields, client_auth="request").settings)
    assert server.evidence_changed and server.judge_again() == [] and not server.evidence_changed
    server.judge_by(server_config(**fields, **changed).settings)
    assert server.evidence_changed and server.next_deadline() == clock.monotonic()
    (failed,) = server.judge_again() if asks else server.tick()
    assert failed.error.fault is fault  # type: ignore[attr-defined]
    talk.exchange()
    assert isinstance(talk.client.failure, PeerAlert)


@pytest.mark.parametrize("judge_again", ["never", "lapse"])
def test_nothing_expires_for_an_anonymous_client(judge_again: str) -> None:
    """It is asked about where the caller wants it, and never by the clock."""
    asked: list[Peer | None] = []
    talk = meet("1.3", lambda peer: asked.append(peer), anonymous=True, judge_again=judge_again)
    assert talk.server.established and talk.server.next_deadline() is None
    assert talk.server.judge_again() == [] and asked == [None, None]


@pytest.mark.parametrize("reason", ["", None, 7])
def test_a_refusal_says_why(reason: Any) -> None:
    """Nobody can act on one that does not."""
    with pytest.raises(ConfigError, match="^reason: "):
        Refusal(reason)


def test_a_function_may_be_any_that_can_be_called() -> None:
    """A method, a part of a function, an object."""

    class Gate:
        def __call__(self, peer: Peer | None) -> None:
            return None

        def let_in(self, peer: Peer | None) -> None:
            return None

    def two(word: str, peer: Peer | None) -> None:
        return None

    callables: list[Callable[..., Any]] = [Gate(), Gate().let_in, functools.partial(two, "x")]
    for allow in callables:
        assert_let_in(meet("1.3", allow))
