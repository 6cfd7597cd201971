"""Checks of revocation that take long are left to whoever drives a connection, where it asks for that."""

from __future__ import annotations

import pytest
from cryptography import x509

import pki
from bothways import Caution, Fault, PeerAlert, PeerFault, UsageError
from bothways.roles import Role
from bothways.tls.events import ChecksWanted, Established, Event
from bothways.tls.handshake.steps import Step
from bothways.trust.crl import revocation_list
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pair import FrozenClock, Pair
from tls.handshake.conversations import CONVERSATIONS, authority, identity

VERSIONS = pytest.mark.parametrize("version", ["1.3", "1.2"])
ROLES = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
NAMES = {Role.CLIENT: "client.example", Role.SERVER: "localhost"}


@pytest.fixture(autouse=True)
def every_list_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_list, "LONG_CRL", 0)


def lists(*revoked: pki.Issued, scope: x509.IssuingDistributionPoint | None = None) -> CRLStore:
    top = authority().above[0]
    return CRLStore([CRL(pki.crl(top)), CRL(pki.crl(authority(), *revoked, point=scope))])


# A list of another scope, of which a store does not know yet who signed it.
OTHER_SCOPE = pki.issuing_point(users=True)


def talk(
    role: Role,
    version: str,
    store: CRLStore,
    *,
    defers: bool = True,
    clock: FrozenClock | None = None,
    **options: object,
) -> Pair:
    """A conversation in which `role` judges by CRLs, up to where it waits."""
    judging = {"versions": (version,), "revocation": Revocation(crls=store, **options)}
    plain = {"versions": (version,)}
    if clock is not None:
        judging["clock"] = clock
    conversation = CONVERSATIONS["mutual"]
    both = conversation.pair(*((judging, plain) if role is Role.CLIENT else (plain, judging)))
    if defers:
        side(both, role)[0].defer_checks()
    both.exchange()
    return both


def side(both: Pair, role: Role):
    """The engine of a role, and what it told."""
    if role is Role.CLIENT:
        return both.client, both.client_events
    return both.server, both.server_events


def wanted(events: list[Event]) -> ChecksWanted:
    [found] = [each for each in events if isinstance(each, ChecksWanted)]
    return found


def make_checks(both: Pair, role: Role) -> int:
    """Make what is wanted until nothing is; return how often that was."""
    engine, events = side(both, role)
    rounds = 0
    while isinstance(request := events[-1], ChecksWanted) and engine.is_awaited(request):
        request.run()
        events += engine.provide(request, None)
        both.exchange()
        rounds += 1
    return rounds


@ROLES
@VERSIONS
def test_a_judgement_waits_for_checks_that_take_long(role: Role, version: str) -> None:
    """Nothing of a long list is hashed inside a call of the engine; input waits meanwhile."""
    both = talk(role, version, lists())
    engine, events = side(both, role)
    request = wanted(events)
    assert engine.step is Step.JUDGING
    assert not engine.wants_data
    assert engine.is_awaited(request)
    assert make_checks(both, role) == 1
    assert engine.established
    assert both.client.peer is not None
    assert both.server.peer is not None


@ROLES
@VERSIONS
def test_the_results_of_deferred_checks_are_used(role: Role, version: str) -> None:
    """A certificate that a long list revokes is refused as by a short one."""
    other = role.other
    both = talk(role, version, lists(identity(NAMES[other], "P-256")))
    make_checks(both, role)
    failure = side(both, role)[0].failure
    assert isinstance(failure, PeerFault)
    assert failure.fault is Fault.REVOKED
    assert isinstance(side(both, other)[0].failure, PeerAlert)


def test_checks_that_were_not_made_are_wanted_again_and_made_at_last() -> None:
    """Whoever answers without running them gains nothing: no list counts whose signature nobody checked."""
    both = talk(Role.CLIENT, "1.3", lists())
    engine, events = side(both, Role.CLIENT)
    for _ in range(100):
        if not isinstance(events[-1], ChecksWanted):
            break
        events += engine.provide(events[-1], None)
    both.exchange()
    assert engine.established
    revoked = talk(Role.CLIENT, "1.3", lists(identity("localhost", "P-256")))
    engine, events = side(revoked, Role.CLIENT)
    for _ in range(100):
        if not isinstance(events[-1], ChecksWanted):
            break
        events += engine.provide(events[-1], None)
    assert isinstance(engine.failure, PeerFault)
    assert engine.failure.fault is Fault.REVOKED


def test_without_deferral_the_engine_runs_the_checks() -> None:
    """Programs that know of no such event need not answer it."""
    both = talk(Role.CLIENT, "1.3", lists(), defers=False)
    assert both.client.established
    assert not any(isinstance(each, ChecksWanted) for each in both.client_events)


def test_checks_are_answered_once() -> None:
    """As every other request."""
    both = talk(Role.SERVER, "1.3", lists())
    request = wanted(both.server_events)
    both.server.provide(request, None)
    with pytest.raises(UsageError):
        both.server.provide(request, None)


@ROLES
@VERSIONS
def test_an_open_connection_is_judged_again_by_checks_that_are_deferred(role: Role, version: str) -> None:
    """Data goes on meanwhile, and a revocation ends the connection once it is known."""
    store = lists()
    both = talk(role, version, store)
    make_checks(both, role)
    engine, events = side(both, role)
    other_engine, _ = side(both, role.other)
    store.replace(lists(identity(NAMES[role.other], "P-256"), scope=OTHER_SCOPE))
    events += engine.judge_again()
    assert isinstance(events[-1], ChecksWanted)
    other_engine.send(b"meanwhile")
    events += engine.receive(other_engine.data_to_send())
    assert events[-1].data == b"meanwhile"
    assert engine.judge_again() == []
    events.append(next(each for each in reversed(events) if isinstance(each, ChecksWanted)))
    make_checks(both, role)
    assert isinstance(engine.failure, PeerFault)
    assert engine.failure.fault is Fault.REVOKED


def test_checks_of_an_open_connection_that_are_late_are_wanted_again() -> None:
    """Nothing is known against the peer, and no list counts unchecked."""
    store, clock = lists(), FrozenClock()
    both = talk(Role.CLIENT, "1.3", store, clock=clock)
    make_checks(both, Role.CLIENT)
    store.replace(lists(scope=OTHER_SCOPE))
    [first] = both.client.judge_again()
    clock.pass_time(60)
    [second] = both.client.tick()
    assert isinstance(first, ChecksWanted)
    assert isinstance(second, ChecksWanted)
    assert second is not first
    both.client_events.append(second)
    make_checks(both, Role.CLIENT)
    assert both.client.established


def test_a_status_that_is_accepted_unknown_waits_for_the_checks_too() -> None:
    """To accept what is unknown is no reason to look away from what would be known."""
    both = talk(Role.CLIENT, "1.3", lists(identity("localhost", "P-256")), unknown="accept")
    make_checks(both, Role.CLIENT)
    assert isinstance(both.client.failure, PeerFault)
    assert both.client.failure.fault is Fault.REVOKED
    assert not any(
        getattr(each, "warning", None) is Caution.REVOCATION_UNKNOWN for each in both.client_events
    )
    assert not any(isinstance(each, Established) for each in both.client_events)
