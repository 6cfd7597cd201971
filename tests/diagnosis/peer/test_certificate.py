"""Why we refuse a certificate: each reason, what else would be refused, and how certain that is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

import identities
import pki
from bothways import PeerRule, TrustStore
from bothways.diagnosis import Files, OwnSide, Situation, explain, explain_verdict
from bothways.diagnosis.failure import explain_failure
from bothways.errors import PeerFault
from bothways.faults import Fault, Reason
from bothways.roles import Role
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify
from diagnosis.own_side.test_chain import LATE, holder, host
from diagnosis.talks import Talk, client, talk
from pair import FrozenClock

NOW = identities.START + timedelta(days=1)


def called_by(who: Any, now: Any = NOW, **settings: Any) -> Talk:
    clock = FrozenClock(now)
    return talk(client(who, clock=clock), identities.server_config(clock=clock, **settings))


def reported(found: Any) -> list[tuple[str, str]]:
    return [(each.cause.name, each.weight.name) for each in found.shown_causes]


@pytest.mark.parametrize(("flaw", "cause"), [(LATE, "EXPIRED"), ({"usage": ("serverAuth",)}, "WRONG_USE")])
def test_a_client_that_no_rule_allows_is_told_that_besides_what_is_wrong_with_its_certificate(
    flaw: dict[str, Any], cause: str
) -> None:
    """A new certificate for the same name would be refused too."""
    made = called_by(holder(**flaw), allow=PeerRule(cn="somebody else"))
    expected = [(cause, "CERTAIN"), ("NOT_LET_IN", "CERTAIN")]
    if cause == "EXPIRED":  # by our clock alone
        expected = [(cause, "LIKELY"), ("NOT_LET_IN", "CERTAIN"), ("OUR_CLOCK", "POSSIBLE")]
    assert reported(made.servers) == reported(explain_failure(made.pair.server_failure)) == expected


@pytest.mark.parametrize("allow", [None, lambda _: None, "the client"])
def test_a_client_that_a_rule_or_a_function_may_allow_is_told_of_its_certificate_alone(allow: Any) -> None:
    issued = holder(**LATE)
    name = issued.certificate.subject.rfc4514_string().partition("=")[2]
    rule = PeerRule(cn=name) if allow == "the client" else allow
    assert reported(called_by(issued, allow=rule).servers) == [
        ("EXPIRED", "LIKELY"),
        ("OUR_CLOCK", "POSSIBLE"),
    ]


def test_a_client_of_an_unknown_ca_is_not_measured_by_our_rules() -> None:
    """Its name proves nothing."""
    issued = holder(identities.root("Another Root"), **LATE)
    made = called_by(issued, allow=PeerRule(cn="somebody else"))
    assert "NOT_LET_IN" not in [each.cause.name for each in made.servers.causes]


def lists(now: Any) -> Revocation:
    """A CRL of which a new one was due after an hour."""
    made = pki.crl(identities.root(), this_update=now, next_update=now + timedelta(hours=1))
    return Revocation(crls=CRLStore([CRL(made)]), unknown="accept")


@pytest.mark.parametrize(
    ("theirs", "now", "with_lists", "expected"),
    [
        (40, 41, False, ["EXPIRED", "OUR_CLOCK"]),
        (40, 41, True, ["OUR_CLOCK", "EXPIRED"]),
        (10, 41, False, ["OUR_CLOCK", "EXPIRED"]),
        (10, 39, False, ["EXPIRED", "only possible"]),
        (10, 39, True, ["EXPIRED", "only possible"]),
    ],
)
def test_a_clock_that_may_be_ahead_makes_no_certificate_expired_for_certain(
    theirs: int, now: int, with_lists: bool, expected: list[str]
) -> None:
    """By it our own certificate would have expired too; if on another day, or if every CRL has, more speaks for it.

    theirs: the day on which the client's certificate ends; ours ends on the 40th.  now: the day by our clock.
    """
    start = identities.START
    issued = holder(not_before=start, not_after=start + timedelta(days=theirs))
    own = host(not_before=start, not_after=start + timedelta(days=40))
    made = talk(
        client(issued, clock=FrozenClock(start + timedelta(days=1))),
        identities.server_config(
            credentials=identities.credentials(own),
            clock=FrozenClock(start + timedelta(days=now)),
            revocation=lists(start + timedelta(days=1)) if with_lists else None,
        ),
    )
    found = [each for each in reported(made.servers) if each[0] in ("EXPIRED", "OUR_CLOCK")]
    if expected[1] == "only possible":
        assert found == [("EXPIRED", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]
        return
    assert [cause for cause, _ in found] == expected
    assert {weight for _, weight in found} == {"LIKELY"}


def test_a_clock_that_is_before_the_issue_of_a_crl_is_behind() -> None:
    issued = holder(not_before=NOW + timedelta(days=30))
    made = called_by(issued, revocation=lists(NOW + timedelta(days=31)))
    assert reported(made.servers)[0] == ("OUR_CLOCK", "LIKELY")


ANEW = {"own_key": pki.key("P-256", 41), **identities.SPAN}


def sending(issued: pki.Issued, *others: pki.Issued, name: str = "localhost") -> Any:
    """A server whose chain is as it is given, whatever it is."""
    chain = (issued.der, *(each.der for each in others))
    verdict = verify(chain, ANCHORS, purpose=Purpose.SERVER, name=name, at=NOW)
    assert isinstance(verdict, Refused)
    return explain_verdict(
        verdict, chain, ANCHORS, purpose=Purpose.SERVER, name=name, at=NOW, files=Files(ca="ca.pem")
    )


ANCHORS = TrustStore([identities.root().der])
ISSUING = pki.intermediate(identities.root(), "Below", **identities.SPAN)
PLAIN = pki.intermediate(identities.root(), "Plain", key_identifiers=False, **identities.SPAN)
OLD = pki.intermediate(identities.root("Another Root"), "Old", key_kind="RSA-2048", **identities.SPAN)
ELSEWHERE = pki.intermediate(identities.root("Another Root"), "Elsewhere", **identities.SPAN)


@pytest.mark.parametrize(
    ("issued", "others", "cause", "said"),
    [
        (host(ISSUING), [pki.intermediate(identities.root(), "Beside", **identities.SPAN)], "WRONG_INTERMEDIATE",
         "CN=Beside was sent instead: the key identifier wanted is "),
        (host(ISSUING), [pki.intermediate(identities.root(), "Below", **ANEW)], "WRONG_INTERMEDIATE",
         "the certificate of that name is for another key: the key identifier wanted is "),
        (host(ISSUING), [ELSEWHERE], "WRONG_INTERMEDIATE", "CN=Elsewhere was sent instead"),
        (host(ISSUING), [identities.root()], "INTERMEDIATE_MISSING", "lacks the intermediate CN=Below"),
        (host(PLAIN, key_identifiers=False),
         [pki.intermediate(identities.root(), "Plain", key_identifiers=False, **ANEW)], "WRONG_INTERMEDIATE",
         "its key did not sign it"),
        (host(ISSUING, broken=True), [ISSUING], "SIGNATURE_WRONG", "was altered"),
        (host(ELSEWHERE), [ELSEWHERE, pki.leaf(identities.root(), "some other server", **identities.SPAN)],
         "CA_NOT_ACCEPTED", "CN=Another Root is not one of our trust anchors"),
        (host(OLD, digest="SHA1", key_kind="RSA-2048"), [OLD], "CA_NOT_ACCEPTED", "CN=Another Root"),
    ],
    ids=["another CA", "its other key", "of another root", "the root", "no key named", "altered", "surplus", "SHA-1"],
)  # fmt: skip
def test_the_certificate_sent_instead_of_the_issuer_is_named(
    issued: pki.Issued, others: list[pki.Issued], cause: str, said: str
) -> None:
    found = sending(issued, *others)
    assert found.first.cause.name == cause, found
    assert said in found.first.text and found.first.weight.name == "LIKELY"


def test_the_certificate_of_a_ca_in_the_place_of_a_servers_is_told_as_that() -> None:
    """A self-signed one is not: it is of a CA by its extensions in most servers that have one."""
    usage = ("key_cert_sign", "digital_signature")
    authority = pki.intermediate(identities.root(), "Below", key_usage=usage, **identities.SPAN)
    told = sending(authority)
    found = told.first
    assert (found.cause.name, found.weight.name) == ("NO_ALTERNATIVE_NAME", "CERTAIN")
    assert "it is that of a CA, CN=Below: the server's own has to stand before it" in found.text
    assert "fullchain.pem" in found.remedy and told.usually.endswith("that of a CA, not of a server")
    connected = talk(
        client(), identities.server_config(credentials=identities.credentials(authority))
    ).clients
    assert connected.first.cause is found.cause
    assert connected.first.remedy.startswith("in place of the certificate of CN=Below the server needs")
    assert "that of a CA" not in sending(identities.root()).first.text


def test_an_environment_is_not_mixed_where_one_of_our_anchors_is_of_the_same() -> None:
    """Who trusts a test and a production CA of one owner may meet both."""
    store = [identities.root("Acme Sandbox Root"), identities.root("Acme Root")]
    trusted = TrustStore([each.der for each in store])
    found = talk(
        client(anchors=trusted),
        identities.server_config(credentials=identities.credentials(host(identities.root("Acme Root 2030")))),
    ).clients
    assert "WRONG_ENVIRONMENT" not in [each.cause.name for each in found.causes]


def test_a_certificate_with_the_name_of_its_ca_is_not_self_signed() -> None:
    """Guides tell to give CA and server the same name; we trust another CA of that name, or none."""
    namesake = pki.root("host", own_key=pki.key("P-256", 72), **identities.SPAN)
    found = sending(host(namesake))
    assert found.first.cause.name == "CA_NOT_ACCEPTED", found
    alone = sending(pki.leaf(None, "host", ca=None, alternatives=["DNS:localhost"], **identities.SPAN))
    assert (alone.first.cause.name, alone.first.weight.name) == ("SELF_SIGNED", "CERTAIN")


@pytest.mark.parametrize("ours_is_later", [False, True])
def test_two_cas_of_one_name_are_not_called_one_for_certain(ours_is_later: bool) -> None:
    """Clusters whose CAs have the same name: what a stranger sends does not tell a new key from another CA."""
    start = identities.START
    issued = host(pki.root("kubernetes", own_key=pki.key("P-256", 41), **identities.SPAN))
    begins = start + timedelta(hours=1 if ours_is_later else -1)
    ours = pki.root("kubernetes", own_key=pki.key("P-256", 42), not_before=begins, not_after=identities.END)
    trusted = TrustStore([ours.der])
    verdict = verify([issued.der], trusted, purpose=Purpose.SERVER, name="localhost", at=NOW)
    assert isinstance(verdict, Refused)
    found = explain_verdict(
        verdict,
        [issued.der],
        trusted,
        purpose=Purpose.SERVER,
        name="localhost",
        at=NOW,
        files=Files(ca="ca.pem"),
    )
    assert reported(found) == [("CA_REPLACED", "LIKELY"), ("CA_NOT_ACCEPTED", "POSSIBLE")]
    assert "two CAs have that name" in found.first.text and "old" not in found.first.text
    assert "fingerprint" in found.first.remedy
    assert ("ours is the later one" in found.first.evidence) == ours_is_later


STALE = "not current"


@pytest.mark.parametrize(
    ("by", "staple", "expected"),
    [
        ("our configuration", None, [("STAPLE_MISSING", "CERTAIN")]),
        ("our configuration", STALE, [("BAD_STAPLE", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]),
        ("the certificate itself", STALE, [("BAD_STAPLE", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]),
    ],
)
def test_a_staple_that_does_not_count_is_no_missing_one_and_who_requires_it_is_said(
    by: str, staple: str | None, expected: list[tuple[str, str]]
) -> None:
    """The unknown status is no fault of its own: a good staple makes it known."""
    problem = "it sent none" if staple is None else "its OCSP response is not current"
    facts = {"problem": problem, "required_by": by, "stapled": staple is not None}
    reasons = (
        Reason(Fault.STAPLE_REQUIRED, 0, "CN=a", facts),
        Reason(Fault.REVOCATION_UNKNOWN, 0, "CN=a", {"problem": problem, "advice": "", "not_allowed": ""}),
    )
    error = PeerFault(Fault.STAPLE_REQUIRED, step=None, peer="server", facts=facts, reasons=reasons)
    found = explain(error, Situation(OwnSide(Role.CLIENT), now=NOW))
    assert reported(found) == expected
    assert staple is not None or f"which {by} requires" in found.first.text


@pytest.mark.parametrize(("reason", "lifted"), [("certificate_hold", True), ("key_compromise", False)])
def test_a_hold_may_be_lifted(reason: str, lifted: bool) -> None:
    """RFC 5280 5.3.1: no other revocation can be."""
    who, span = holder(), {"this_update": NOW, "next_update": NOW + timedelta(hours=1)}
    lists = [pki.crl(identities.middle(), (who, reason), **span), pki.crl(identities.root(), **span)]
    told = called_by(who, revocation=Revocation(crls=CRLStore(map(CRL, lists)))).servers
    found = told.first
    assert found.cause.name == "REVOKED"
    assert ("lift the hold" in told.usually) is lifted
    assert ("lost or stolen" in told.usually) is not lifted
    assert ("lift the hold" in found.remedy) is lifted
    assert ("does not become valid again" in found.remedy) is not lifted


def pinned(*peers: pki.Issued, cas: tuple[pki.Issued, ...] = ()) -> TrustStore:
    return TrustStore([each.der for each in cas], exact=[each.der for each in peers])


def test_a_renewed_certificate_of_a_client_that_is_trusted_by_its_own_is_told_as_such() -> None:
    """A CA is beside the point where certificates are trusted one by one; the former is known by its subject."""
    old, new = holder(), holder()
    for renewed in (new, pki.leaf(None, "Ada", ca=None, alternatives=(), **identities.SPAN)):
        told = called_by(renewed, client_anchors=pinned(old)).servers
        assert reported(told) == [("CERTIFICATE_NOT_PINNED", "CERTAIN")]
        assert "the one of CN=Ada begins on" in told.first.text and "one by one" in told.usually
    both = called_by(holder(stranger_ca()), client_anchors=pinned(old, cas=(identities.root(),))).servers
    assert reported(both)[0] == ("CERTIFICATE_NOT_PINNED", "LIKELY")
    assert ("CA_NOT_ACCEPTED", "LIKELY") in reported(both)


def test_a_client_that_is_none_of_those_trusted_by_their_own_is_told_so() -> None:
    told = called_by(holder(name="Bob"), client_anchors=pinned(holder())).servers
    assert (
        reported(told) == [("CERTIFICATE_NOT_PINNED", "CERTAIN")]
        and "none of them is of CN=Bob" in told.first.text
    )
    both = called_by(holder(stranger_ca(), "Bob"), client_anchors=pinned(holder(), cas=(identities.root(),)))
    assert "CERTIFICATE_NOT_PINNED" not in [cause for cause, _ in reported(both.servers)]


def stranger_ca() -> pki.Issued:
    return identities.root("Another Root")


def test_a_revocation_of_tomorrow_is_told_with_a_doubt_about_our_clock() -> None:
    who, span = holder(), {"this_update": NOW, "next_update": NOW + timedelta(hours=1)}
    lists = [pki.crl(identities.middle(), (who, "superseded"), **span), pki.crl(identities.root(), **span)]
    later = called_by(who, NOW, revocation=Revocation(crls=CRLStore(map(CRL, lists)))).servers
    since = next(each.facts["revoked_at"] for each in later.causes if each.cause.name == "REVOKED")
    assert isinstance(since, datetime)
    reason = Reason(Fault.REVOKED, 0, "CN=a", {"revoked_at": NOW + timedelta(days=1), "reason": "superseded"})
    error = PeerFault(Fault.REVOKED, step=None, peer="server", facts=reason.facts, reasons=(reason,))
    found = explain(error, Situation(OwnSide(Role.CLIENT), now=NOW))
    assert [each for each, _ in reported(found)] == ["REVOKED", "OUR_CLOCK"]
    assert (since > NOW) == ("OUR_CLOCK" in [each.cause.name for each in later.causes])


@pytest.mark.parametrize(("fetches", "words"), [(False, "(--fetch)"), (True, "made available")])
def test_a_client_that_fetches_already_is_not_told_to_fetch(fetches: bool, words: str) -> None:
    facts = {"problem": "no answer", "advice": "", "not_allowed": ""}
    reason = Reason(Fault.REVOCATION_UNKNOWN, 0, "CN=a", facts)
    error = PeerFault(Fault.REVOCATION_UNKNOWN, step=None, peer="server", facts=facts, reasons=(reason,))
    found = explain(error, Situation(OwnSide(Role.CLIENT, fetches=fetches), now=NOW)).first
    assert found.cause.name == "STATUS_UNKNOWN" and words in found.remedy
    config = client(revocation=Revocation(fetch=Fetch()) if fetches else None)
    assert OwnSide.of(config).fetches is fetches
