"""Evidence that is wanted in a handshake: on whose word, when, for how long, and what comes of each answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

import pki
from bothways import (
    Alert,
    Caution,
    ClientConfig,
    Credentials,
    Data,
    EvidenceWanted,
    Fault,
    PeerAlert,
    PeerFault,
    ServerConfig,
    TrustStore,
    UsageError,
)
from bothways.errors import ConfigError
from bothways.tls.events import Judged, MessageSeen
from bothways.tls.handshake.steps import Step
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Outcome
from pair import FrozenClock, Pair, pair, received, seeded_randomness
from pki import NOW, crl, leaf, ocsp_response, points, responder
from trust.evidence.evidence_requests import CA, ROOT, access

OCSP, LISTS, ROOT_LISTS = "http://ocsp.example/", "http://crl.example/ca.crl", "http://crl.example/root.crl"
MIDDLE = pki.intermediate(ROOT, "Middle", extra=[points(f"URI:{ROOT_LISTS}")])
EXTRA = [access(OCSP), points(f"URI:{LISTS}")]
SERVER = leaf(MIDDLE, "localhost", extra=EXTRA)
CLIENT = leaf(MIDDLE, "Ada", usage=("clientAuth",), extra=EXTRA)
RSA_SERVER = leaf(
    MIDDLE, "localhost", extra=EXTRA, key_kind="RSA-2048", key_usage=("key_encipherment", "digital_signature")
)
ANCHORS = TrustStore.from_pem(ROOT.pem)
GOOD, GOOD_CLIENT, ROOT_LIST = ocsp_response(SERVER), ocsp_response(CLIENT), crl(ROOT)


def credentials(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


def policy(**options) -> Revocation:
    fetch = {
        key: options.pop(key)
        for key in list(options)
        if key in ("nonce", "seconds", "requests", "ocsp", "crls")
    }
    return Revocation(fetch=Fetch(**{"nonce": "none"} | fetch), **options)


def client_config(**options) -> ClientConfig:
    given = {
        "anchors": ANCHORS,
        "credentials": credentials(CLIENT),
        "clock": FrozenClock(),
        "groups": ("x25519", "secp256r1"),
    }
    return ClientConfig(**given | options)


def server_config(**options) -> ServerConfig:
    given = {"credentials": credentials(SERVER), "client_anchors": ANCHORS, "clock": FrozenClock()}
    return ServerConfig(**given | options)


def talk(client: ClientConfig, server: ServerConfig, **options) -> Pair:
    both = pair(client, server, **options)
    both.exchange()
    return both


def judged_by_client(version: str = "1.3", **options) -> Pair:
    revocation = options.pop("revocation", None) or policy(**options)
    return talk(client_config(revocation=revocation, versions=(version,)), server_config())


def judged_by_server(version: str = "1.3", **options) -> Pair:
    return talk(client_config(versions=(version,)), server_config(revocation=policy(**options)))


def wanted(events) -> EvidenceWanted:
    [found] = [each for each in events if isinstance(each, EvidenceWanted)]
    return found


def reported(events) -> list[Caution]:
    return [each.warning for each in events if hasattr(each, "warning")]


def provide(both: Pair, *answers) -> None:
    """Answer what the client waits for, and let the talk go on."""
    both.client_events += both.client.provide(wanted(both.client_events), answers)
    both.exchange()


VERSIONS = pytest.mark.parametrize("version", ["1.3", "1.2"])


# -- what is wanted, and when --------------------------------------------------------------------------------


@VERSIONS
def test_client_wants_evidence_of_every_certificate_below_the_anchor(version: str) -> None:
    """Steps 2.3c: the leaf's from its responder, the CA's from its list; then the handshake goes on."""
    both = judged_by_client(version)
    request = wanted(both.client_events)
    assert [(each.kind, each.locations) for each in request.wants] == [
        ("ocsp", (OCSP,)),
        ("crl", (ROOT_LISTS,)),
    ]
    assert [each.certificate.der for each in request.wants] == SERVER.chain
    assert (request.seconds, request.at) == (5.0, NOW)
    assert both.client.step is Step.JUDGING and not both.client.wants_data and not both.client.established
    provide(both, GOOD, ROOT_LIST)
    assert both.client.established and both.server.established
    finding = both.client.peer.verdict.findings[2]
    assert (finding.outcome, finding.text) == (
        Outcome.PASSED,
        "2 certificates not revoked by the evidence (fetched: 1 OCSP response and 1 CRL)",
    )
    both.client.send(b"hello")
    both.exchange()
    assert received(both.server_events) == b"hello"


@VERSIONS
def test_server_wants_evidence_of_its_client_and_holds_back_until_it_has_it(version: str) -> None:
    """Step 3.3c: what the client sends meanwhile stays unopened, what we send is kept."""
    both = judged_by_server(version)
    request = wanted(both.server_events)
    assert [each.certificate.der for each in request.wants] == CLIENT.chain
    both.server.send(b"welcome")
    if version == "1.3":
        both.client.send(b"early")
        both.exchange()
    assert not both.server.established and not any(isinstance(each, Data) for each in both.client_events)
    both.server_events += both.server.provide(request, [GOOD_CLIENT, ROOT_LIST])
    both.exchange()
    assert both.server.established and both.client.established
    assert received(both.client_events) == b"welcome"
    assert received(both.server_events) == (b"early" if version == "1.3" else b"")


def test_nothing_is_wanted_that_is_at_hand() -> None:
    """Lists and responses in the policy come first, and settle it."""
    lists = CRLStore(map(CRL, (ROOT_LIST, crl(MIDDLE))))
    both = judged_by_client(revocation=Revocation(crls=lists, fetch=Fetch()))
    assert both.client.established
    both = judged_by_client(revocation=Revocation(crls=CRLStore([CRL(ROOT_LIST)]), fetch=Fetch()))
    assert [each.kind for each in wanted(both.client_events).wants] == ["ocsp"]


@VERSIONS
def test_nothing_is_wanted_on_the_word_of_a_peer_that_has_not_proved_its_key(version: str) -> None:
    """CertificateVerify or ServerKeyExchange is checked first, in TLS 1.3 the server's Finished too."""
    notes = []
    client = client_config(revocation=policy(), versions=(version,))
    both = pair(client, server_config(), client_notes=notes)
    both.exchange()
    request = wanted(both.client_events)
    seen = [type(each.message).__name__ for each in notes if isinstance(each, MessageSeen) and not each.sent]
    assert seen[-1] == ("Finished" if version == "1.3" else "ServerHelloDone")
    assert ("CertificateVerify" if version == "1.3" else "ServerKeyExchange") in seen
    assert not any(isinstance(each, Judged) for each in notes) and request.wants
    forged = pair(client, server_config(randomness=BadSignatures()))
    forged.exchange()
    assert forged.client_failure.fault is Fault.BAD_CERTIFICATE_VERIFY
    assert not [each for each in forged.client_events if isinstance(each, EvidenceWanted)]


@pytest.mark.parametrize("extra", [(), [points("URI:ldap://directory.example/cn=CA")]], ids=["none", "LDAP"])
def test_urls_from_which_nothing_is_fetched_are_not_said_to_be_missing(extra: list) -> None:
    """A certificate may have one of another kind, such as that of a directory."""
    issued = leaf(MIDDLE, "localhost", extra=extra)
    ours = client_config(revocation=policy(covers="leaf"))
    both = talk(ours, server_config(credentials=credentials(issued)))
    assert both.client_failure.fault is Fault.REVOCATION_UNKNOWN
    assert "it names no URL from which we fetch any" in str(both.client_failure)
    assert (
        "(ldap://directory.example/cn=CA: it is not an http address)" in str(both.client_failure)
    ) == bool(extra)


def test_with_rsa_key_transport_nothing_is_fetched() -> None:
    """There the server proves its key by its Finished alone, after it was judged: the status is unknown."""
    suites = {
        "versions": ("1.2",),
        "insecure_rsa_key_transport": True,
        "suites": ("TLS_RSA_WITH_AES_128_GCM_SHA256",),
    }
    client = client_config(revocation=policy(), **suites)
    both = talk(client, server_config(credentials=credentials(RSA_SERVER), insecure_rsa_key_transport=True))
    assert both.client_failure.fault is Fault.REVOCATION_UNKNOWN
    assert "nothing is fetched before the peer has proved that it holds the key" in str(both.client_failure)


@pytest.mark.parametrize(
    ("peer", "fault"),
    [
        (leaf(pki.root("Elsewhere"), "localhost", extra=EXTRA), Fault.NO_PATH),
        (leaf(MIDDLE, "localhost", extra=EXTRA, not_after=NOW - pki.DAY), Fault.CERTIFICATE_EXPIRED),
        (leaf(MIDDLE, "other.example", extra=EXTRA), Fault.NAME_MISMATCH),
        (leaf(MIDDLE, "localhost", extra=EXTRA, usage=("clientAuth",)), Fault.WRONG_EXTENDED_KEY_USAGE),
    ],
    ids=["stranger", "expired", "other name", "other purpose"],
)
def test_nothing_is_fetched_for_a_peer_that_is_refused_anyhow(peer: pki.Issued, fault: Fault) -> None:
    """Addresses come from certificates whose signatures lead to an anchor, and are asked only for who may pass."""
    both = talk(client_config(revocation=policy()), server_config(credentials=credentials(peer)))
    assert both.client_failure.fault is fault
    assert not [each for each in both.client_events if isinstance(each, EvidenceWanted)]


def test_requests_for_one_peer_are_bounded() -> None:
    """However many places its certificates name."""
    many = [points(*[f"URI:http://crl.example/{number}" for number in range(20)])]
    server = server_config(credentials=credentials(leaf(MIDDLE, "localhost", extra=many)))
    both = talk(client_config(revocation=policy(requests=3)), server)
    assert len(wanted(both.client_events).wants) == 3


# -- what comes of the answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", [judged_by_client, judged_by_server])
@VERSIONS
def test_a_revoked_peer_is_refused_by_what_was_fetched(judge, version: str) -> None:
    """Steps 2.3c and 3.3c: before the first byte of data."""
    both = judge(version)
    ours, theirs = (both.client, both.server) if judge is judged_by_client else (both.server, both.client)
    request = wanted(both.client_events + both.server_events)
    revoked = ocsp_response(SERVER if judge is judged_by_client else CLIENT, status="revoked")
    ours.provide(request, [revoked, ROOT_LIST])
    both.exchange()
    assert ours.failure.fault is Fault.REVOKED and ours.failure.step in ("2.3c", "3.3c")
    assert isinstance(theirs.failure, PeerAlert) and theirs.failure.alert == Alert.CERTIFICATE_REVOKED


def test_a_crl_is_requested_if_a_response_does_not_decide() -> None:
    """The second round; what was had in the first one counts on."""
    both = judged_by_client()
    provide(both, Missing(f"{OCSP}: connection refused"), ROOT_LIST)
    second = both.client_events[-1]
    assert [(each.kind, each.locations) for each in second.wants] == [("crl", (LISTS,))]
    both.client_events += both.client.provide(second, [crl(MIDDLE)])
    both.exchange()
    assert both.client.established


@pytest.mark.parametrize("answers", [None, [None, None]])
def test_without_an_answer_the_status_is_unknown_and_the_policy_decides(answers) -> None:
    """Refused, in words that say what was tried; or accepted with a warning."""
    revocation = Revocation(fetch=Fetch(crls=False, nonce="none"), crls=CRLStore([CRL(ROOT_LIST)]))
    both = judged_by_client(revocation=revocation)
    request = wanted(both.client_events)
    both.client.provide(request, None if answers is None else answers[:1])
    failure = both.client.failure
    assert (
        isinstance(failure, PeerFault)
        and failure.fault is Fault.REVOCATION_UNKNOWN
        and failure.step == "2.3c"
    )
    assert "it could not be obtained" in str(failure)
    tolerant = replace(revocation, unknown="accept")
    both = judged_by_client(revocation=tolerant)
    both.client_events += both.client.provide(wanted(both.client_events), None)
    both.exchange()
    assert both.client.established and reported(both.client_events) == [Caution.REVOCATION_UNKNOWN]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"garbage", "it is not an OCSP response"),
        (b"<html>", "it is an HTML or XML document"),
        (ocsp_response(CLIENT), "it is about another certificate"),
        (ocsp_response(SERVER, nonce=b"old" * 10), "it returns another nonce than ours"),
        (ocsp_response(SERVER, next_update=NOW - pki.DAY / 4), "it expired on"),
        (ocsp_response(SERVER, this_update=NOW + pki.DAY / 4), "it is not valid before"),
        (ocsp_response(SERVER, signer=CLIENT), "has not authorised"),
        (ocsp_response(SERVER, status="unknown"), "the OCSP responder does not know it"),
        (b"x" * (64 * 1024 + 1), "longer than 65536 bytes"),
    ],
    ids=[
        "garbage",
        "a page",
        "another's",
        "replayed",
        "expired",
        "future",
        "a stranger's",
        "unknown",
        "endless",
    ],
)
def test_an_invalid_answer_leaves_the_status_unknown_with_the_reason(answer: bytes, problem: str) -> None:
    """Whatever a responder, or somebody in its stead, answers."""
    fetch = Fetch(crls=False, nonce="use")
    both = judged_by_client(revocation=Revocation(fetch=fetch, crls=CRLStore([CRL(ROOT_LIST)])))
    both.client.provide(wanted(both.client_events), [answer])
    assert both.client.failure.fault is Fault.REVOCATION_UNKNOWN
    assert problem in str(both.client.failure)


def test_each_request_has_a_nonce_drawn_by_the_connections_own_entropy() -> None:
    """RFC 9654: 32 bytes, so that a recorded conversation replays the same ones."""
    first = wanted(judged_by_client(nonce="require").client_events)
    assert [len(each.nonce or b"") for each in first.wants] == [32, 0]
    second = wanted(judged_by_client(nonce="require").client_events)
    assert first.wants[0].nonce != second.wants[0].nonce
    both = judged_by_client(nonce="require")
    nonce = wanted(both.client_events).wants[0].nonce
    provide(both, ocsp_response(SERVER, nonce=nonce), ROOT_LIST)
    assert both.client.established


def test_evidence_that_was_read_before_is_taken_as_it_is() -> None:
    """As from a cache: an earlier request had another nonce."""
    both = judged_by_client(nonce="require")
    provide(both, OCSPResponse(ocsp_response(SERVER, nonce=b"earlier" * 4)), CRL(ROOT_LIST))
    assert both.client.established


def test_the_status_of_a_delegate_is_wanted_too() -> None:
    """Without nocheck its own certificate is asked about, by its own locations."""
    delegate = responder(MIDDLE, no_check=False, extra=[points(f"URI:{LISTS}")])
    both = judged_by_client()
    provide(both, ocsp_response(SERVER, signer=delegate), ROOT_LIST)
    second = both.client_events[-1]
    assert {(each.kind, each.locations) for each in second.wants} == {("crl", (LISTS,))}
    both.client_events += both.client.provide(second, [crl(MIDDLE)] * len(second.wants))
    both.exchange()
    assert both.client.established


DELTAS = "http://crl.example/delta.crl"
AMENDED = [
    (x509.FreshestCRL([x509.DistributionPoint([pki.alternative(f"URI:{DELTAS}")], None, None, None)]), False)
]


@pytest.mark.parametrize(
    ("delta", "fault"),
    [
        (crl(MIDDLE, base=1, number=2), None),
        (crl(MIDDLE, SERVER, base=1, number=2), Fault.REVOKED),
        (crl(CA, base=1, number=2), None),
        (None, None),
    ],
    ids=["nothing new", "revoked since", "another's", "not to be had"],
)
def test_a_delta_that_a_list_names_is_wanted_too(delta: bytes | None, fault: Fault | None) -> None:
    """RFC 5280 5.2.6: what was revoked since the list; which holds should the delta not be had."""
    lists = CRLStore([CRL(ROOT_LIST), CRL(crl(MIDDLE, extra=AMENDED))])
    both = judged_by_client(revocation=Revocation(crls=lists, fetch=Fetch(ocsp=False)))
    request = wanted(both.client_events)
    assert [(each.kind, each.locations) for each in request.wants] == [("crl", (DELTAS,))]
    both.client.provide(request, [delta])
    both.exchange()
    assert both.client.established == (fault is None)
    assert fault is None or both.client.failure.fault is fault


def test_no_delta_is_wanted_where_a_response_settled_it() -> None:
    """Nothing leans on the list then."""
    lists = CRLStore([CRL(ROOT_LIST), CRL(crl(MIDDLE, extra=AMENDED))])
    responses = OCSPStore([OCSPResponse(GOOD)])
    assert judged_by_client(
        revocation=Revocation(crls=lists, ocsp=responses, fetch=Fetch())
    ).client.established


# -- time ------------------------------------------------------------------------------------------------------


def test_a_late_answer_is_missing_and_the_handshake_continues() -> None:
    """By the connection's own clock: nothing hangs on whoever fetches."""
    clock = FrozenClock()
    client = client_config(revocation=policy(unknown="accept", seconds=3.0), clock=clock)
    both = talk(client, server_config())
    request = wanted(both.client_events)
    assert both.client.next_deadline() == clock.monotonic() + 3.0
    clock.pass_time(2.9)
    assert both.client.tick() == []
    clock.pass_time(0.1)
    [second] = both.client.tick()
    assert [each.locations for each in second.wants] == [(LISTS,)]
    with pytest.raises(UsageError, match="provide: this answer is not awaited"):
        both.client.provide(request, None)
    clock.pass_time(3.0)
    both.client_events += both.client.tick()
    both.exchange()
    assert both.client.established and reported(both.client_events) == [Caution.REVOCATION_UNKNOWN]
    text = both.client.peer.verdict.findings[2].text
    assert f"{OCSP}: no answer within 3 seconds" in text and f"{LISTS}: no answer within 3 seconds" in text


def test_the_time_for_evidence_lies_within_that_of_the_handshake() -> None:
    """What is unknown then is refused for that, and not for being late."""
    clock = FrozenClock()
    client = client_config(revocation=policy(seconds=60.0), clock=clock, handshake_timeout=10.0)
    both = talk(client, server_config())
    assert wanted(both.client_events).seconds == 10.0
    clock.pass_time(10.0)
    [second] = both.client.tick()
    assert second.seconds == 0.0
    both.client.tick()
    assert both.client.failure.fault is Fault.REVOCATION_UNKNOWN


def test_a_peer_that_leaves_meanwhile_ends_the_connection() -> None:
    """Nobody waits for evidence about it any more."""
    both = judged_by_server()
    request = wanted(both.server_events)
    both.server.receive_eof()
    with pytest.raises(UsageError, match="provide: this answer is not awaited"):
        both.server.provide(request, None)
    assert both.server.next_deadline() is None and not both.server.awaits_answer


# -- misuse ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [b"bytes", [], [None], [None] * 3, ["text", None], [1, 2]])
def test_an_answer_that_does_not_fit_is_a_usage_error_and_the_handshake_waits_on(wrong) -> None:
    """One answer for each want, in bytes or read; our caller's mistake ends nothing."""
    both = judged_by_client()
    with pytest.raises(UsageError, match="provide"):
        both.client.provide(wanted(both.client_events), wrong)
    provide(both, GOOD, ROOT_LIST)
    assert both.client.established


def test_a_policy_of_another_kind_is_a_config_error() -> None:
    """When it is made."""
    with pytest.raises(ConfigError, match="fetch: expected a Fetch"):
        Revocation(fetch="ocsp")


class BadSignatures:
    """Randomness whose signatures are made by nobody."""

    def __init__(self) -> None:
        self._own = seeded_randomness()

    def __getattr__(self, name: str):
        return getattr(self._own, name)

    def sign(self, scheme: int, private_key, data: bytes) -> bytes:
        return self._own.sign(scheme, private_key, data + b"!")
