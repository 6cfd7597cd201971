"""Which lists are needed, what they say of a path, and what stale or missing lists mean (RFC 5280 6.3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bothways.errors import ConfigError
from bothways.faults import Fault
from bothways.iana import Alert
from bothways.trust import revocation as source
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import Parsed
from bothways.trust.crl import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp import OCSPResponse, OCSPStore
from bothways.trust.revocation import PRESETS, TOLERANCE, Revocation, judge
from bothways.trust.verdict import Outcome, Purpose, Refused, Trusted
from pki import (
    DAY,
    NOW,
    crl,
    intermediate,
    issue,
    issuing_point,
    key,
    leaf,
    name,
    ocsp_refusal,
    ocsp_response,
    points,
    responder,
    root,
)
from pki import der as encode

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
OTHER = leaf(CA, "other.example")
ANCHORS = TrustStore.from_pem(ROOT.pem)
CLEAN = (crl(ROOT), crl(CA))
SIGNS_LISTS = ("crl_sign",)


def judged(*lists: bytes, chain=None, at=NOW, anchors=ANCHORS, **options):
    revocation = Revocation(crls=CRLStore(map(CRL, lists)), **options)
    return judge(
        chain or SERVER.chain, anchors, purpose=Purpose.SERVER, name=None, at=at, revocation=revocation
    )


def refusals(verdict) -> list[tuple[Fault, int | None]]:
    assert isinstance(verdict, Refused), verdict
    return [(each.fault, each.position) for each in verdict.reasons]


def problem(verdict) -> str:
    [reason] = verdict.reasons
    assert reason.fault is Fault.REVOCATION_UNKNOWN
    return str(reason.facts["problem"])


def altered_response(der: bytes) -> bytes:
    """The same response with the last bit of its signature turned; no certificates may follow it."""
    return der[:-1] + bytes([der[-1] ^ 1])


REVOKED = [(Fault.REVOKED, 0)]
UNKNOWN = [(Fault.REVOCATION_UNKNOWN, 0)]


def test_a_path_that_no_list_names_passes_and_says_until_when():
    """RFC 5280 6.1.3 a 3: the verdict lapses with the first of the lists."""
    verdict = judged(crl(ROOT, next_update=NOW + 3 * DAY), crl(CA, OTHER))
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].outcome is Outcome.PASSED
    assert verdict.findings[2].text == "2 certificates not revoked by the lists at hand"
    assert verdict.valid_until == NOW + 3 * DAY + TOLERANCE


def test_a_revoked_leaf_is_refused_with_date_and_reason():
    """RFC 5280 6.3.3 i and j."""
    verdict = judged(crl(ROOT), crl(CA, (SERVER, "key_compromise")))
    assert refusals(verdict) == REVOKED
    assert verdict.reasons[0].facts == {"revoked_at": NOW - 2 * DAY, "reason": "key compromise"}
    assert verdict.reasons[0].fault.alert is Alert.CERTIFICATE_REVOKED
    assert verdict.findings[2].outcome is Outcome.FAILED


def test_a_revoked_intermediate_is_refused_at_its_place():
    """Every CA below the anchor is asked for."""
    assert refusals(judged(crl(ROOT, CA), crl(CA))) == [(Fault.REVOKED, 1)]


def test_without_a_source_nothing_is_asked_and_it_says_so():
    """Revocation is asked for by naming a source."""
    verdict = judge(SERVER.chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW, revocation=None)
    assert verdict.findings[2].outcome is Outcome.NOT_CHECKED
    assert verdict.findings[2].text == "no source configured"


def test_a_certificate_without_a_list_is_unknown_and_refused():
    """Unknown is not good; every certificate is told."""
    verdict = judged(crl(ROOT))
    assert refusals(verdict) == UNKNOWN
    assert problem(verdict) == "no CRL of CN=Intermediate for it is at hand"
    assert "supply a current CRL of CN=Intermediate" in verdict.reasons[0].facts["advice"]
    assert refusals(judged()) == [(Fault.REVOCATION_UNKNOWN, 0), (Fault.REVOCATION_UNKNOWN, 1)]


def test_unknown_is_accepted_only_when_configured_and_is_no_tick():
    """Accepting unknown never overrides revoked."""
    verdict = judged(crl(ROOT), unknown="accept")
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].outcome is Outcome.UNKNOWN and verdict.accepts_unknown
    assert verdict.findings[2].text.startswith("unknown, and accepted as configured: ")
    assert refusals(judged(crl(CA, SERVER), unknown="accept")) == REVOKED


def test_the_leaf_alone_is_covered_when_configured():
    """The intermediate's status is not asked for then."""
    assert isinstance(judged(crl(CA), covers="leaf"), Trusted)
    assert isinstance(judged(crl(CA), crl(ROOT, CA), covers="leaf"), Trusted)
    assert refusals(judged(crl(CA, SERVER), covers="leaf")) == REVOKED


def test_an_expired_list_is_unknown_and_says_when_it_expired():
    """Never good."""
    old = crl(CA, next_update=NOW - timedelta(hours=1))
    assert problem(judged(crl(ROOT), old)) == "the CRL of CN=Intermediate expired on 2026-06-01 11:00"


def test_an_expired_list_still_proves_a_revocation_but_not_a_hold():
    """docs/defaults.md: a revocation is for good, a hold may have been lifted."""
    expired = {"next_update": NOW - timedelta(hours=1)}
    assert refusals(judged(crl(ROOT), crl(CA, (SERVER, "superseded"), **expired))) == REVOKED
    assert refusals(judged(crl(ROOT), crl(CA, (SERVER, "certificate_hold"), **expired))) == UNKNOWN


def test_a_list_from_the_future_is_unknown():
    """RFC 5280 5.1.2.4."""
    early = crl(CA, this_update=NOW + timedelta(hours=1))
    assert "from the future" in problem(judged(crl(ROOT), early))


def test_the_tolerance_of_times_is_five_minutes_unless_said_otherwise():
    """docs/defaults.md: at either end of a list, never of a certificate."""
    for edge in ({"next_update": NOW - timedelta(minutes=4)}, {"this_update": NOW + timedelta(minutes=4)}):
        assert isinstance(judged(crl(ROOT), crl(CA, **edge)), Trusted)
        assert refusals(judged(crl(ROOT), crl(CA, **edge), tolerance=timedelta(0))) == UNKNOWN


def test_every_list_that_applies_is_consulted_not_just_the_first():
    """The wrong list chosen hides a revocation."""
    users = crl(CA, point=issuing_point(users=True))
    revoking = crl(CA, SERVER, point=issuing_point(["DN:Intermediate"]))
    for lists in ((users, revoking), (revoking, users)):
        assert refusals(judged(crl(ROOT), *lists)) == REVOKED


def test_the_newer_of_two_lists_of_one_series_counts():
    """An older list never replaces a newer one, in whatever order they come."""
    older = crl(CA, (SERVER, "certificate_hold"), number=1, this_update=NOW - 3 * DAY)
    newer = crl(CA, number=2)
    for lists in ((older, newer), (newer, older)):
        assert isinstance(judged(crl(ROOT), *lists), Trusted)
    held = crl(CA, (SERVER, "certificate_hold"), number=3, this_update=NOW - timedelta(hours=1))
    assert refusals(judged(crl(ROOT), newer, held)) == REVOKED


def test_a_forged_newer_list_displaces_no_authentic_one():
    """RFC 5280 6.3.3 g: signatures first."""
    forged = crl(CA, number=99, signed_by=key("P-256", 3000), this_update=NOW)
    assert refusals(judged(crl(ROOT), crl(CA, SERVER), forged)) == REVOKED
    assert "not signed by a key known as that CA's" in problem(judged(crl(ROOT), forged))


def test_a_list_signed_with_a_weak_hash_cannot_be_used():
    """As for certificates."""
    top = root("CRL RSA", key_kind="RSA-2048")
    weak = crl(top).replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    verdict = judged(weak, chain=leaf(top).chain, anchors=TrustStore.from_pem(top.pem))
    assert problem(verdict) == "the CRL of CN=CRL RSA is signed with SHA-1"


def test_a_list_with_an_unknown_critical_extension_cannot_be_used():
    """RFC 5280 5.2."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "cannot be used" in problem(judged(crl(ROOT), crl(CA, extra=[(unknown, True)])))


def test_a_ca_whose_key_may_not_sign_lists_leaves_its_certificates_unknown():
    """RFC 5280 6.3.3 f."""
    ca = intermediate(ROOT, "No lists", key_usage=("key_cert_sign",))
    verdict = judged(crl(ROOT), crl(ca), chain=leaf(ca).chain)
    assert "usage lacks cRLSign" in problem(verdict)


@pytest.mark.parametrize(
    ("point", "applies"),
    [
        (issuing_point(users=True), True),
        (issuing_point(cas=True), False),
        (issuing_point(attributes=True), False),
        (issuing_point(["URI:http://a.example/1"]), False),
        (issuing_point(["DN:Intermediate"]), True),
    ],
)
def test_a_list_counts_only_for_its_scope(point, applies):
    """RFC 5280 6.3.3 b 2."""
    verdict = judged(crl(ROOT), crl(CA, point=point))
    assert isinstance(verdict, Trusted) if applies else refusals(verdict) == UNKNOWN


def test_a_partitioned_list_counts_for_certificates_that_name_its_point():
    """RFC 5280 6.3.3 b 2 i."""
    server = leaf(CA, extra=[points("URI:http://a.example/1")])
    mine, other = issuing_point(["URI:http://a.example/1"]), issuing_point(["URI:http://a.example/2"])
    assert isinstance(judged(crl(ROOT), crl(CA, point=mine), chain=server.chain), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, point=other), chain=server.chain)) == UNKNOWN
    assert refusals(judged(crl(ROOT), crl(CA, server, point=mine), chain=server.chain)) == REVOKED


def test_lists_must_together_speak_of_all_reasons():
    """RFC 5280 6.3.3 d, e and l."""
    everything = [
        each.name for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")
    ]
    some = crl(CA, point=issuing_point(reasons=everything[:2]))
    rest = crl(CA, point=issuing_point(reasons=everything[2:]))
    assert isinstance(judged(crl(ROOT), some, rest), Trusted)
    assert "do not speak of" in problem(judged(crl(ROOT), some))
    revoking = crl(CA, (SERVER, "key_compromise"), point=issuing_point(reasons=everything[:2]))
    assert refusals(judged(crl(ROOT), revoking, rest)) == REVOKED


def test_a_delta_adds_to_its_base_and_removes_from_it():
    """RFC 5280 5.2.4, 6.3.3 c, i and k."""
    clean, held = crl(CA, number=5), crl(CA, (SERVER, "certificate_hold"), number=5)
    adds = crl(CA, (SERVER, "superseded"), number=7, base=5)
    removes = crl(CA, (SERVER, "remove_from_crl"), number=7, base=4)
    assert refusals(judged(crl(ROOT), clean, adds)) == REVOKED
    assert isinstance(judged(crl(ROOT), held, removes), Trusted)
    assert refusals(judged(crl(ROOT), held)) == REVOKED


@pytest.mark.parametrize(
    "unfit",
    [
        {"number": 7, "base": 6},
        {"number": 5, "base": 5},
        {"number": 7, "base": 5, "next_update": NOW - DAY / 2},
        {"number": 7, "base": 5, "signed_by": key("P-256", 3000)},
        {"number": 7, "base": 5, "point": issuing_point(users=True)},
    ],
)
def test_a_delta_that_does_not_fit_its_base_is_not_applied(unfit):
    """RFC 5280 5.2.4."""
    held = crl(CA, (SERVER, "certificate_hold"), number=5)
    removes = crl(CA, (SERVER, "remove_from_crl"), **unfit)
    assert refusals(judged(crl(ROOT), held, removes)) == REVOKED


def test_a_delta_alone_says_nothing():
    """RFC 5280 5.2.4: it needs its base."""
    assert refusals(judged(crl(ROOT), crl(CA, number=7, base=5))) == UNKNOWN


def delegated(**options):
    """A server whose lists are issued by somebody to whom its CA delegates that."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS, **options)
    server = leaf(CA, extra=[points("DN:List signer", issuer="List signer")])
    return server, signer


def indirect(server, signer, *revoked) -> bytes:
    named = x509.CertificateIssuer([x509.DirectoryName(name("Intermediate"))])
    point = issuing_point(["DN:List signer"], indirect=True)
    return crl(signer, *revoked, entry_extra=[(named, True)], point=point)


def test_an_indirect_list_counts_where_the_certificate_names_its_issuer():
    """RFC 5280 6.3.3 b 1; its signer comes with the chain, and is asked about too."""
    server, signer = delegated()
    chain = [server.der, CA.der, signer.der]
    lists = (crl(ROOT), crl(CA))
    assert isinstance(judged(*lists, indirect(server, signer), chain=chain), Trusted)
    assert refusals(judged(*lists, indirect(server, signer, server), chain=chain)) == REVOKED
    unsent = [server.der, CA.der]
    only = judged(crl(ROOT), indirect(server, signer), chain=unsent)
    assert "not signed by a key known as that CA's" in problem(only)


def test_a_signer_of_lists_must_be_good_itself():
    """RFC 5280 6.3.3 f: its path, its usage, its own status."""
    server, signer = delegated()
    chain = [server.der, CA.der, signer.der]
    revoked = judged(crl(ROOT), crl(CA, signer), indirect(server, signer), chain=chain)
    assert isinstance(revoked, Trusted)  # the CA's own list covers the server as well
    scoped = issuing_point(["DN:Elsewhere"])
    alone = judged(crl(ROOT), crl(CA, signer, point=scoped), indirect(server, signer), chain=chain)
    assert "whose own status is not good" in problem(alone)
    server, expired = delegated(not_after=NOW - DAY)
    stale = judged(crl(ROOT), indirect(server, expired), chain=[server.der, CA.der, expired.der])
    assert "without a path to the same anchor" in problem(stale)


def test_a_signer_that_vouches_for_the_leaf_that_it_is_counts_for_nothing():
    """The leaf's own key never answers for the leaf."""
    own = issue(
        "Self", CA, key_usage=("digital_signature", "crl_sign"), extra=[points("DN:Self", issuer="Self")]
    )
    point = issuing_point(["DN:Self"], indirect=True)
    verdict = judged(crl(ROOT), crl(own, point=point), chain=own.chain)
    assert "own status depends on it" in problem(verdict)


def test_a_pinned_leaf_has_nobody_to_revoke_it():
    """The anchor itself is not asked about."""
    own = leaf(None, "dev.example")
    verdict = judged(*CLEAN, chain=[own.der], anchors=TrustStore.from_pem(own.pem))
    assert isinstance(verdict, Trusted)
    assert verdict.findings[2].text == "the certificate is itself an anchor"


def test_revocation_is_not_checked_where_there_is_no_path():
    """A finding is never a tick without a check."""
    verdict = judged(*CLEAN, anchors=TrustStore.from_pem(root("Elsewhere").pem))
    assert verdict.findings[2].outcome is Outcome.NOT_CHECKED
    assert verdict.findings[2].text == "there is no path to check"


def test_other_reasons_stand_before_an_unknown_status_and_after_a_revoked_one():
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


def test_an_impossible_policy_is_a_config_error():
    """Said when the configuration is made."""
    store = CRLStore(map(CRL, CLEAN))
    for wrong in (
        {"covers": "all"},
        {"unknown": "ignore"},
        {"tolerance": timedelta(-1)},
        {"crls": [CLEAN[0]]},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Revocation(**{"crls": store} | wrong)
    with pytest.raises(ConfigError, match="it needs a source"):
        Revocation()


def test_presets_have_names_and_need_a_source():
    """--revocation require refuses without one."""
    store = CRLStore(map(CRL, CLEAN))
    assert Revocation.preset("require", store) == Revocation(crls=store)
    assert Revocation.preset("leaf", store).covers == "leaf"
    assert Revocation.preset("tolerant", store).unknown == "accept"
    assert list(PRESETS) == ["require", "leaf", "tolerant", "staple", "staple-leaf"]
    assert Revocation.preset("staple") == Revocation(staples="require")
    assert Revocation.preset("staple-leaf", store) == Revocation(crls=store, staples="require", covers="leaf")
    responses = OCSPStore([OCSPResponse(ocsp_response(SERVER))])
    assert Revocation.preset("require", None, responses) == Revocation(ocsp=responses)
    with pytest.raises(ConfigError, match="needs a source"):
        Revocation.preset("require", CRLStore())
    with pytest.raises(ConfigError, match="no preset"):
        Revocation.preset("strict", store)


def test_a_list_that_does_not_say_until_when_it_holds_says_nothing():
    """RFC 5280 5.1.2.5: nextUpdate must be there."""
    der = crl(CA)
    until = bytes.fromhex("170d") + b"260608120000Z"
    tbs = x509.load_der_x509_crl(der).tbs_certlist_bytes
    assert until in tbs
    header = 2 + (tbs[1] - 128 if tbs[1] > 128 else 0)
    shorter = encode(0x30, tbs[header:].replace(until, b""))
    signature = CA.key.sign(shorter, ec.ECDSA(SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    whole = encode(0x30, shorter + algorithm + encode(0x03, b"\x00" + signature))
    assert "does not say until when it holds" in problem(judged(crl(ROOT), whole))


def test_a_point_of_which_only_the_issuer_is_named_matches_that_issuers_scope():
    """RFC 5280 6.3.3 b 2 i: the point's name may be left out."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS)
    issuer = [x509.DirectoryName(name("List signer"))]
    extension = x509.CRLDistributionPoints([x509.DistributionPoint(None, None, None, issuer)])
    server = leaf(CA, extra=[(extension, False)])
    verdict = judged(
        crl(ROOT), crl(CA, point=issuing_point(["DN:Intermediate"])), indirect(server, signer, server),
        chain=[server.der, CA.der, signer.der],
    )  # fmt: skip
    assert refusals(verdict) == REVOKED


def test_a_signer_that_cannot_be_read_is_passed_over():
    """RFC 5280 4.2: the same extension twice."""
    server, signer = delegated()
    broken = signer.der.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    verdict = judged(crl(ROOT), indirect(server, signer), chain=[server.der, CA.der, broken])
    assert "not signed by a key known as that CA's" in problem(verdict)


def test_a_signer_above_the_path_is_asked_about_up_to_the_path():
    """RFC 5280 6.3.3 f: who stands on the path is asked about there."""
    below = intermediate(CA, "Below")
    signer = issue("List signer", below, key_usage=SIGNS_LISTS)
    server = leaf(below, extra=[points("DN:List signer", issuer="List signer")])
    named = x509.CertificateIssuer([x509.DirectoryName(name("Below"))])
    listing = crl(
        signer, server, entry_extra=[(named, True)], point=issuing_point(["DN:List signer"], indirect=True)
    )
    chain = [server.der, below.der, CA.der, signer.der]
    assert refusals(judged(crl(ROOT), crl(CA), crl(below), listing, chain=chain)) == REVOKED


# -- OCSP responses and staples


def answered(*responses: bytes, staples=(), chain=None, lists=(), at=NOW, **options):
    """Judge with OCSP responses at hand, or stapled, and lists where given; the leaf alone is covered."""
    revocation = Revocation(
        **{
            "ocsp": OCSPStore(map(OCSPResponse, responses)) if responses else None,
            "crls": CRLStore(map(CRL, lists)) if lists else None,
            "staples": "use" if staples else "ignore",
            "covers": "leaf",
        }
        | options
    )
    return judge(
        chain or SERVER.chain,
        ANCHORS,
        purpose=Purpose.SERVER,
        name=None,
        at=at,
        revocation=revocation,
        staples=staples,
    )


def test_a_good_response_counts_until_its_next_update():
    """RFC 6960 2.2, from the issuer itself."""
    verdict = answered(ocsp_response(SERVER))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == NOW + DAY + TOLERANCE
    assert verdict.findings[2].text == "1 certificate not revoked by the evidence at hand"


def test_a_revoked_one_is_refused_whatever_else_is_good():
    """Revoked from any valid source wins over good."""
    revoked = ocsp_response(SERVER, status="revoked", reason="superseded")
    assert refusals(answered(revoked)) == REVOKED
    assert refusals(answered(revoked, ocsp_response(SERVER))) == REVOKED
    assert refusals(answered(ocsp_response(SERVER), revoked)) == REVOKED
    assert refusals(answered(revoked, lists=CLEAN)) == REVOKED
    assert refusals(answered(ocsp_response(SERVER), lists=[crl(CA, SERVER)])) == REVOKED


def test_each_certificate_of_a_path_may_have_its_own_evidence():
    """TLS 1.3: one staple for every entry; lists for the rest."""
    whole = {"covers": "path"}
    staples = [ocsp_response(SERVER), ocsp_response(CA)]
    assert isinstance(answered(staples=staples, **whole), Trusted)
    assert isinstance(answered(staples=staples[:1], lists=CLEAN[:1], **whole), Trusted)
    assert refusals(answered(staples=staples[:1], **whole)) == [(Fault.REVOCATION_UNKNOWN, 1)]
    assert refusals(answered(staples=[staples[0], ocsp_response(CA, status="revoked")], **whole)) == [
        (Fault.REVOKED, 1)
    ]


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (ocsp_response(SERVER, status="unknown"), "the OCSP responder does not know it"),
        (
            ocsp_response(SERVER, next_update=NOW - timedelta(hours=1)),
            "its OCSP response does not hold: it expired on 2026-06-01 11:00",
        ),
        (
            ocsp_response(SERVER, this_update=NOW + timedelta(hours=1)),
            "its OCSP response does not hold: it is from the future",
        ),
        (
            ocsp_response(SERVER, next_update=None, this_update=NOW - 2 * DAY),
            "was too old from 2026-05-31 12:00 on",
        ),
        (ocsp_refusal("try_later"), "the responder answered: try later"),
    ],
)
def test_a_response_that_does_not_count_is_named_as_what_it_is(response, sentence):
    """RFC 6960 3.2: unknown is not good."""
    verdict = answered(staples=[response])
    assert refusals(verdict) == UNKNOWN
    assert sentence in problem(verdict)
    assert isinstance(answered(staples=[response], unknown="accept"), Trusted)
    assert isinstance(answered(staples=[response], lists=CLEAN), Trusted)


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (altered_response(ocsp_response(SERVER)), "does not verify under the key of CN=Intermediate"),
        (
            ocsp_response(SERVER, signer=root("Stranger")),
            "by CN=Stranger, whom CN=Intermediate has not authorised",
        ),
        (ocsp_response(OTHER), "it is for another certificate"),
        (b"garbage", "it cannot be read"),
        (ocsp_response(SERVER)[:-1], "it cannot be read"),
    ],
)
def test_a_staple_that_is_none_is_refused_whatever_else_is_known(response, sentence):
    """RFC 6066 8: bad_certificate_status_response; with a list that says good, and where unknown is accepted."""
    for verdict in (
        answered(staples=[response]),
        answered(staples=[response], lists=CLEAN),
        answered(staples=[response], unknown="accept"),
    ):
        assert refusals(verdict) == [(Fault.BAD_STAPLE, 0)]
        assert sentence in verdict.reasons[0].facts["problem"]
        assert verdict.reasons[0].fault.alert is Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    revoked = answered(staples=[response], lists=[crl(CA, SERVER)])
    assert refusals(revoked) == REVOKED


def test_a_response_at_hand_that_is_none_does_no_harm():
    """Whoever lays it there can take away the evidence, and no more."""
    for response in (altered_response(ocsp_response(SERVER)), ocsp_response(SERVER, signer=root("Stranger"))):
        assert isinstance(answered(response, lists=CLEAN), Trusted)
        assert refusals(answered(response)) == UNKNOWN


def test_a_response_without_a_next_update_counts_for_a_day():
    """docs/defaults.md: RFC 6960 4.2.2.1 leaves it open."""
    verdict = answered(ocsp_response(SERVER, next_update=None))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == NOW + DAY / 2 + TOLERANCE


def test_an_expired_response_still_proves_a_revocation_but_not_a_hold():
    """docs/defaults.md: as with lists."""
    old = {"status": "revoked", "next_update": NOW - timedelta(hours=1)}
    assert refusals(answered(ocsp_response(SERVER, reason="superseded", **old))) == REVOKED
    assert refusals(answered(ocsp_response(SERVER, reason="certificate_hold", **old))) == UNKNOWN


def test_a_delegate_answers_when_the_ca_appointed_it():
    """RFC 6960 4.2.2.2."""
    for by_name in (False, True):
        assert isinstance(answered(ocsp_response(SERVER, signer=responder(CA), by_name=by_name)), Trusted)
    assert refusals(answered(ocsp_response(SERVER, status="revoked", signer=responder(CA)))) == REVOKED


@pytest.mark.parametrize(
    ("signer", "sentence"),
    [
        (responder(ROOT), "it did not issue that certificate"),
        (responder(CA, usage=("serverAuth",)), "is not for OCSP signing"),
        (responder(CA, usage=None), "is not for OCSP signing"),
        (responder(CA, not_after=NOW - DAY), "outside its period of validity"),
        (responder(CA, key_kind="RSA-1024"), "key is too weak: RSA of 1024 bits"),
        (responder(CA, no_check=False), "own status is not good"),
    ],
)
def test_a_delegate_that_may_not_answer_is_named(signer, sentence):
    """RFC 6960 4.2.2.2: appointed by that CA, for that purpose, now, and not revoked itself."""
    assert sentence in problem(answered(ocsp_response(SERVER, signer=signer)))


def test_a_delegate_without_nocheck_is_asked_about_itself():
    """RFC 6960 4.2.2.2.1; a delegate never answers for itself."""
    mine = responder(CA, no_check=False)
    response = ocsp_response(SERVER, signer=mine)
    assert isinstance(answered(response, lists=[crl(CA)]), Trusted)
    assert (
        refusals(answered(response, lists=[crl(CA, mine, point=issuing_point(["DN:Elsewhere"]))])) == UNKNOWN
    )
    own = ocsp_response(mine, CA, signer=mine)
    assert "own status is not good" in problem(answered(response, own))


def test_a_delegate_that_cannot_be_read_is_passed_over():
    """RFC 5280 4.2: the same extension twice."""
    response = ocsp_response(SERVER, signer=responder(CA))
    broken = response.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    assert "without a certificate that fits its signature" in problem(answered(broken))


def test_a_response_signed_with_a_weak_hash_does_not_count():
    """RFC 9325."""
    top = intermediate(ROOT, "RSA", key_kind="RSA-2048")
    server = leaf(top)
    rsa = bytes.fromhex("2a864886f70d0101")
    weak = ocsp_response(server).replace(rsa + b"\x0b", rsa + b"\x05")
    assert "it is signed with SHA-1" in problem(answered(weak, chain=server.chain))


MUST_STAPLE = leaf(CA, extra=[(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)])


def test_a_certificate_that_demands_a_staple_is_refused_without_a_good_one():
    """RFC 7633 4.2.3.1: no list, no acceptance of unknown stands in for it."""
    chain, clean = MUST_STAPLE.chain, {"lists": CLEAN, "staples": [None]}
    missing = answered(chain=chain, **clean)
    assert refusals(missing) == [(Fault.STAPLE_REQUIRED, 0)]
    assert missing.reasons[0].facts == {"problem": "it sent none"}
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


def test_a_staple_is_ignored_unless_it_is_asked_for():
    """A peer's word counts only where the policy says so."""
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


def test_a_certificate_whose_ca_never_revokes_it_is_not_asked_about():
    """RFC 9608 4: noRevAvail, in an end entity's certificate alone and beside no distribution point."""
    never = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.56"), b"\x05\x00"), False)
    short = leaf(CA, extra=[never])
    assert isinstance(judged(crl(ROOT), chain=short.chain), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, short), chain=short.chain)) == REVOKED
    pointed = leaf(CA, extra=[never, points("URI:http://a.example/1")])
    assert refusals(judged(crl(ROOT), chain=pointed.chain)) == UNKNOWN
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
def test_a_verdict_says_exactly_until_when_it_holds(what):
    """It is the same up to that moment, and another a second later."""
    judged_at, grace = LAPSES[what]
    verdict = judged_at(NOW)
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == SOON + grace
    assert isinstance(judged_at(verdict.valid_until), Trusted)
    assert isinstance(judged_at(verdict.valid_until + timedelta(seconds=1)), Refused)


def test_a_list_that_holds_for_ever_lapses_never():
    """No calendar goes beyond the year 9999, whatever the tolerance."""
    verdict = judged(crl(ROOT, next_update=FOREVER), crl(CA, next_update=FOREVER))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == SERVER.certificate.not_valid_after_utc


def test_a_policy_tells_that_its_evidence_changed():
    """Whoever judged before can see that there is news, from lists and from responses."""
    policy = Revocation(crls=CRLStore(map(CRL, CLEAN)), ocsp=OCSPStore())
    assert Revocation(staples="require").generation == 0
    seen = {policy.generation}
    policy.crls.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    seen.add(policy.generation)
    policy.ocsp.add(OCSPResponse(ocsp_response(SERVER)))
    seen.add(policy.generation)
    assert len(seen) == 3


def test_keys_of_a_peers_own_making_are_not_held_against_a_large_list_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its chain may have a dozen certificates in the name of the list's CA; each would cost the hash of it all."""
    strangers = [Parsed(root("Intermediate", own_key=key("P-256", at)).der) for at in range(10)]
    chain = [SERVER.der, CA.der, *(each.der for each in strangers)]
    for affordable, problem_said in (
        (10, "is not signed by a key known"),
        (4, "is too large to be held against"),
    ):
        forged = CRL(crl(CA, signed_by=ROOT.key))
        monkeypatch.setattr(source, "CHECKED_BYTES", affordable * len(forged.der))
        verdict = judge(
            chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
            revocation=Revocation(crls=CRLStore([forged]), covers="leaf"),
        )  # fmt: skip
        assert problem_said in problem(verdict)
        assert sum(forged.has_met(each) for each in strangers) == affordable
