"""Whether the certificates of a path are revoked: what sources say together, and until when (RFC 5280 6.3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.faults import Fault
from bothways.iana import Alert
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Outcome, Purpose, Refused, Trusted
from bothways.trust.verification import verify as judge
from pki import (
    DAY,
    NOW,
    crl,
    intermediate,
    issuing_point,
    leaf,
    ocsp_response,
    points,
    responder,
    root,
)
from trust.revocation.judging import (
    ANCHORS,
    CA,
    CLEAN,
    OTHER,
    REVOKED,
    ROOT,
    SERVER,
    UNKNOWN,
    altered_response,
    answered,
    delegated,
    indirect,
    judged,
    problem,
    refusals,
)


def test_a_path_without_revocations_passes_with_the_end_of_its_validity():
    """RFC 5280 6.1.3 a 3: the earliest nextUpdate of the CRLs."""
    verdict = judged(crl(ROOT, next_update=NOW + 3 * DAY), crl(CA, OTHER))
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].outcome is Outcome.PASSED
    assert verdict.findings[2].text == "2 certificates not revoked by the available CRLs"
    assert verdict.valid_until == NOW + 3 * DAY + TOLERANCE


def test_a_revoked_leaf_is_refused_with_date_and_reason():
    """RFC 5280 6.3.3 i and j."""
    verdict = judged(crl(ROOT), crl(CA, (SERVER, "key_compromise")))
    assert refusals(verdict) == REVOKED
    assert verdict.reasons[0].facts == {"revoked_at": NOW - 2 * DAY, "reason": "key compromise"}
    assert verdict.reasons[0].fault.alert is Alert.CERTIFICATE_REVOKED
    assert verdict.findings[2].outcome is Outcome.FAILED


def test_a_revoked_intermediate_is_refused_at_its_position():
    """Every CA below the trust anchor is checked."""
    assert refusals(judged(crl(ROOT, CA), crl(CA))) == [(Fault.REVOKED, 1)]


def test_without_a_source_nothing_is_checked_and_the_finding_says_so():
    """Revocation is checked only with a source."""
    verdict = judge(SERVER.chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW, revocation=None)
    assert verdict.findings[2].outcome is Outcome.NOT_CHECKED
    assert verdict.findings[2].text == "no source configured"


def test_a_certificate_without_a_crl_is_unknown_and_refused():
    """Unknown is not good; every such certificate is reported."""
    verdict = judged(crl(ROOT))
    assert refusals(verdict) == UNKNOWN
    assert problem(verdict) == "no CRL of CN=Intermediate for it is available"
    assert "supply a current CRL of CN=Intermediate" in verdict.reasons[0].facts["advice"]
    assert refusals(judged()) == [(Fault.REVOCATION_UNKNOWN, 0), (Fault.REVOCATION_UNKNOWN, 1)]


FROM = "no CRL of CN=Intermediate for it is available: that of 2026-05-31 12:00 "
ELSEWHERE = ["URI:http://crl.example/2.crl"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            {"number": 6, "base": 5},
            "is a delta CRL: it amends the complete CRL with the number 5, and neither that nor a later one is there",
        ),
        ({"point": issuing_point(cas=True)}, "covers certificates of CAs alone"),
        ({"point": issuing_point(attributes=True)}, "covers attribute certificates alone"),
        (
            {"point": issuing_point(ELSEWHERE)},
            "covers another distribution point (http://crl.example/2.crl), which this certificate does not name",
        ),
    ],
)
def test_a_crl_that_is_there_and_tells_nothing_is_told_as_that(options, why):
    """RFC 5280 5.2.4, 5.2.5; of very many of them two are told."""
    assert problem(judged(crl(ROOT), crl(CA, **options))) == FROM + why
    several = [crl(CA, **options, this_update=NOW - count * DAY) for count in range(1, 30)]
    assert problem(judged(crl(ROOT), *several)).count("that of 2026-05") == 2


def test_a_crl_of_end_entities_tells_nothing_of_a_ca():
    verdict = judged(crl(ROOT, point=issuing_point(users=True)), crl(CA))
    [reason] = verdict.reasons
    assert str(reason.facts["problem"]).endswith("covers certificates of end entities alone")


def test_unknown_is_accepted_only_when_configured_and_never_shown_as_passed():
    """Accepting unknown never overrides revoked."""
    verdict = judged(crl(ROOT), unknown="accept")
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].outcome is Outcome.UNKNOWN and verdict.accepts_unknown
    assert verdict.findings[2].text.startswith("unknown, and accepted as configured: ")
    assert refusals(judged(crl(CA, SERVER), unknown="accept")) == REVOKED


def test_only_the_leaf_is_checked_when_configured():
    """The intermediate's status is not checked then."""
    assert isinstance(judged(crl(CA), covers="leaf"), Trusted)
    assert isinstance(judged(crl(CA), crl(ROOT, CA), covers="leaf"), Trusted)
    assert refusals(judged(crl(CA, SERVER), covers="leaf")) == REVOKED


def test_a_leaf_that_is_a_trust_anchor_is_not_checked():
    """Trust anchors are not checked for revocation."""
    own = leaf(None, "dev.example")
    verdict = judged(*CLEAN, chain=[own.der], anchors=TrustStore.from_pem(own.pem))
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].text == "the certificate is itself a trust anchor"


def test_revocation_is_not_checked_where_there_is_no_path():
    """A finding is never a tick without a check."""
    verdict = judged(*CLEAN, anchors=TrustStore.from_pem(root("Elsewhere").pem))
    assert verdict.findings[2].outcome is Outcome.NOT_CHECKED
    assert verdict.findings[2].text == "there is no path to check"


def test_revoked_is_the_first_reason_and_unknown_the_last():
    """Revoked; expired; ... and what is not known last."""
    old = leaf(CA, not_after=NOW - DAY)
    assert refusals(judged(crl(ROOT), chain=old.chain)) == [
        (Fault.CERTIFICATE_EXPIRED, 0),
        (Fault.REVOCATION_UNKNOWN, 0),
    ]
    assert refusals(judged(crl(ROOT), crl(CA, old), chain=old.chain)) == [
        (Fault.REVOKED, 0),
        (Fault.CERTIFICATE_EXPIRED, 0),
    ]


def test_a_revoked_certificate_is_refused_whatever_else_is_good():
    """Revoked from any valid source wins over good."""
    revoked = ocsp_response(SERVER, status="revoked", reason="superseded")
    assert refusals(answered(revoked)) == REVOKED
    assert refusals(answered(revoked, ocsp_response(SERVER))) == REVOKED
    assert refusals(answered(ocsp_response(SERVER), revoked)) == REVOKED
    assert refusals(answered(revoked, lists=CLEAN)) == REVOKED
    assert refusals(answered(ocsp_response(SERVER), lists=[crl(CA, SERVER)])) == REVOKED


def test_each_certificate_of_a_path_may_have_its_own_evidence():
    """TLS 1.3: one staple for every entry; CRLs for the rest."""
    whole = {"covers": "path"}
    staples = [ocsp_response(SERVER), ocsp_response(CA)]
    assert isinstance(answered(staples=staples, **whole), Trusted)
    assert isinstance(answered(staples=staples[:1], lists=CLEAN[:1], **whole), Trusted)
    assert refusals(answered(staples=staples[:1], **whole)) == [(Fault.REVOCATION_UNKNOWN, 1)]
    assert refusals(answered(staples=[staples[0], ocsp_response(CA, status="revoked")], **whole)) == [
        (Fault.REVOKED, 1)
    ]


MUST_STAPLE = leaf(CA, extra=[(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)])


def test_a_must_staple_certificate_is_refused_without_a_good_staple():
    """RFC 7633 4.2.3.1: no CRL, and no acceptance of unknown, replaces it."""
    chain, clean = MUST_STAPLE.chain, {"lists": CLEAN, "staples": [None]}
    missing = answered(chain=chain, **clean)
    assert refusals(missing) == [(Fault.STAPLE_REQUIRED, 0)]
    assert missing.reasons[0].facts == {
        "problem": "it sent none",
        "required_by": "the certificate itself",
        "stapled": False,
    }
    assert missing.reasons[0].fault.alert is Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    assert refusals(answered(chain=chain, unknown="accept", **clean)) == [(Fault.STAPLE_REQUIRED, 0)]
    forged = altered_response(ocsp_response(MUST_STAPLE))
    refused = answered(chain=chain, lists=CLEAN, staples=[forged])
    assert refusals(refused) == [(Fault.BAD_STAPLE, 0)]
    assert "does not verify under the key of CN=Intermediate" in refused.reasons[0].facts["problem"]
    assert isinstance(answered(chain=chain, staples=[ocsp_response(MUST_STAPLE)]), Trusted)
    assert isinstance(answered(chain=chain, lists=CLEAN), Trusted)  # staples were not asked for


def test_a_staple_can_be_required_of_every_leaf():
    """Policy per direction."""
    required = {"staples": [None], "lists": CLEAN}
    revocation = Revocation(crls=CRLStore(map(CRL, CLEAN)), staples="require")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": NOW, "revocation": revocation}
    assert refusals(judge(SERVER.chain, ANCHORS, **asked)) == [(Fault.STAPLE_REQUIRED, 0)]
    assert isinstance(judge(SERVER.chain, ANCHORS, staples=[ocsp_response(SERVER)], **asked), Trusted)
    revoked = [ocsp_response(SERVER, status="revoked")]
    assert refusals(judge(SERVER.chain, ANCHORS, staples=revoked, **asked)) == REVOKED
    assert isinstance(answered(**required), Trusted)


def test_a_staple_is_ignored_unless_the_policy_uses_it():
    """The policy decides about what a peer sends."""
    verdict = judge(
        SERVER.chain,
        ANCHORS,
        purpose=Purpose.SERVER,
        name=None,
        at=NOW,
        revocation=Revocation(crls=CRLStore(), covers="leaf"),
        staples=[ocsp_response(SERVER)],
    )
    assert refusals(verdict) == UNKNOWN


def test_a_certificate_with_norevavail_is_not_checked():
    """RFC 9608 2, 4: of an end entity only, and without URLs of evidence."""
    never = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.56"), b"\x05\x00"), False)
    short = leaf(CA, extra=[never])
    assert isinstance(judged(crl(ROOT), chain=short.chain), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, short), chain=short.chain)) == REVOKED
    place = x509.UniformResourceIdentifier("http://a.example/1")
    responders, issuers = (
        (x509.AuthorityInformationAccess([x509.AccessDescription(kind, place)]), False)
        for kind in (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
    )
    newest = (x509.FreshestCRL([x509.DistributionPoint([place], None, None, None)]), False)
    for evidence in (points("URI:http://a.example/1"), responders, newest):
        assert refusals(judged(crl(ROOT), chain=leaf(CA, extra=[never, evidence]).chain)) == UNKNOWN
    assert isinstance(judged(crl(ROOT), chain=leaf(CA, extra=[never, issuers]).chain), Trusted)
    authority = intermediate(ROOT, "Never", extra=[never])
    assert refusals(judged(crl(authority), chain=leaf(authority).chain)) == [(Fault.REVOCATION_UNKNOWN, 1)]


# -- until when a verdict holds

SOON, LATER = NOW + timedelta(hours=3), {"next_update": NOW + 5 * DAY}
SHORT_SERVER = leaf(CA, not_after=SOON)
SHORT_RESPONDER = responder(CA, not_after=SOON)
ASKED_RESPONDER = responder(CA, no_check=False)
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def by_delegated_list(at):
    server, signer = delegated(not_after=SOON, extra=[points("DN:Elsewhere")])
    of_signers = crl(CA, point=issuing_point(["DN:Elsewhere"]), **LATER)
    lists = (crl(ROOT, **LATER), of_signers, indirect(server, signer))
    return judged(*lists, chain=[server.der, CA.der, signer.der], at=at)


LAPSES = {
    "the leaf ends": (lambda at: judged(*CLEAN, chain=SHORT_SERVER.chain, at=at), timedelta(0)),
    "a list ends": (lambda at: judged(crl(ROOT), crl(CA, next_update=SOON), at=at), TOLERANCE),
    "a list ends, without tolerance": (
        lambda at: judged(crl(ROOT), crl(CA, next_update=SOON), at=at, tolerance=timedelta(0)), timedelta(0),
    ),
    "the certificate of a list's signer ends": (by_delegated_list, timedelta(0)),
    "a response ends": (lambda at: answered(ocsp_response(SERVER, next_update=SOON), at=at), TOLERANCE),
    "a staple ends": (lambda at: answered(staples=[ocsp_response(SERVER, next_update=SOON)], at=at), TOLERANCE),
    "the certificate of a responder ends": (
        lambda at: answered(ocsp_response(SERVER, signer=SHORT_RESPONDER, **LATER), at=at), timedelta(0),
    ),
    "what vouches for a responder ends": (
        lambda at: answered(
            ocsp_response(SERVER, signer=ASKED_RESPONDER, **LATER),
            ocsp_response(ASKED_RESPONDER, CA, next_update=SOON),
            at=at,
        ),
        TOLERANCE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", LAPSES)
def test_a_verdict_has_the_exact_end_of_its_validity(what):
    """It is the same until then, and another a second later."""
    judged_at, grace = LAPSES[what]
    verdict = judged_at(NOW)
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == SOON + grace
    assert isinstance(judged_at(verdict.valid_until), Trusted)
    assert isinstance(judged_at(verdict.valid_until + timedelta(seconds=1)), Refused)


def test_a_crl_without_end_never_expires():
    """No date is after the year 9999, whatever the tolerance."""
    verdict = judged(crl(ROOT, next_update=FOREVER), crl(CA, next_update=FOREVER))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == SERVER.certificate.not_valid_after_utc


CRITICAL_POINTS = (points("URI:http://a.example/list")[0], True)
TOP_WITH_POINTS = root("Points", extra=[CRITICAL_POINTS])
CA_WITH_POINTS = intermediate(TOP_WITH_POINTS, "Points CA", extra=[CRITICAL_POINTS])
LEAF_WITH_POINTS = leaf(CA_WITH_POINTS, extra=[CRITICAL_POINTS])


@pytest.mark.parametrize(
    ("policy", "refused_at"),
    [
        ({"crls": True}, []),
        ({"crls": True, "covers": "leaf"}, [1]),
        ({"fetch": {"ocsp": False}}, []),
        ({"fetch": {"crls": False}}, [0, 1, 2]),
        ({"staples": "use"}, [0, 1, 2]),
        (None, [0, 1, 2]),
    ],
)
def test_critical_distribution_points_are_processed_where_crls_are_checked(policy, refused_at):
    """RFC 5280 4.2.1.13: an application that supports CRLs uses them, one that does not refuses."""
    lists = CRLStore(map(CRL, (crl(TOP_WITH_POINTS), crl(CA_WITH_POINTS))))
    revocation = None
    if policy is not None:
        sources = {"unknown": "accept"} | policy
        if "crls" in sources:
            sources["crls"] = lists
        if "fetch" in sources:
            sources["fetch"] = Fetch(by_caller=True, **sources["fetch"])
        revocation = Revocation(**sources)
    anchors = TrustStore.from_pem(TOP_WITH_POINTS.pem)
    verdict = judge(
        LEAF_WITH_POINTS.chain, anchors, purpose=Purpose.SERVER, name=None, at=NOW, revocation=revocation
    )
    if not refused_at:
        assert isinstance(verdict, Trusted)
        return
    assert isinstance(verdict, Refused)
    unknown = [each for each in verdict.reasons if each.fault is Fault.UNKNOWN_CRITICAL_EXTENSION]
    assert [each.position for each in unknown] == refused_at
    assert {each.facts["oid"] for each in unknown} == {
        "2.5.29.31 (distribution points, while no CRLs are consulted)"
    }


def test_a_revocation_counts_though_distribution_points_are_critical():
    """RFC 5280 6.3.3."""
    lists = CRLStore(map(CRL, (crl(TOP_WITH_POINTS), crl(CA_WITH_POINTS, LEAF_WITH_POINTS))))
    verdict = judge(
        LEAF_WITH_POINTS.chain, TrustStore.from_pem(TOP_WITH_POINTS.pem),
        purpose=Purpose.SERVER, name=None, at=NOW, revocation=Revocation(crls=lists),
    )  # fmt: skip
    assert refusals(verdict) == REVOKED
