"""Paths are found and verified (RFC 5280 6.1), and a refusal has every reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from bothways.errors import ConfigError
from bothways.faults import Blame, Fault, Reason
from bothways.iana import Alert
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by
from bothways.trust.path import search as path_search
from bothways.trust.path.validation import Limits, PathCheck, PathRequest, judge_path, path_through, read_leaf
from bothways.trust.verdict import Finding, Outcome, Purpose, Refused, Trusted, Verdict
from bothways.trust.work import OutOfWork, WorkBudget, WorkStep
from pki import DAY, NOW, Issued, altered, intermediate, issue, key, leaf, name, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
CLIENT = issue("Client 7", CA, ca=False, usage=("clientAuth",))
ANCHORS = TrustStore.from_pem(ROOT.pem)


def judged(
    chain, anchors=ANCHORS, *, purpose=Purpose.SERVER, name="server.example", at=NOW, status=None, **options
) -> Verdict:
    return judge_path(PathRequest(chain, anchors, at, purpose, name, **options), status)


def refusals(verdict: Verdict) -> list[tuple[Fault, int | None]]:
    assert isinstance(verdict, Refused), verdict
    return [(reason.fault, reason.position) for reason in verdict.reasons]


def count_signatures(monkeypatch) -> list[bytes]:
    """Return a list that grows by each certificate whose signature is checked."""
    checked: list[bytes] = []

    def counting(certificate, by):
        checked.append(certificate.der)
        return is_signed_by(certificate, by)

    monkeypatch.setattr(path_search, "is_signed_by", counting)
    return checked


def store(*issued: Issued, remember_paths: int = 1024) -> TrustStore:
    return TrustStore.from_certificates([each.certificate for each in issued], remember_paths=remember_paths)


def test_a_valid_chain_is_trusted_with_its_path_names_and_findings():
    """RFC 5280 6.1: leaf, intermediate, anchor."""
    verdict = judged(SERVER.chain)
    assert isinstance(verdict, Trusted)
    assert verdict.path == (SERVER.certificate, CA.certificate, ROOT.certificate)
    assert verdict.names.dns == ("server.example",)
    assert verdict.valid_until == SERVER.certificate.not_valid_after_utc
    assert [(each.letter, each.outcome) for each in verdict.findings] == [
        ("a", Outcome.PASSED),
        ("b", Outcome.PASSED),
        ("c", Outcome.NOT_CHECKED),
    ]
    assert verdict.findings[2].text == "no source configured"


def test_a_client_certificate_with_a_common_name_alone_is_trusted_without_a_name():
    """Many real client certificates have no subjectAltName."""
    verdict = judged(CLIENT.chain, purpose=Purpose.CLIENT, name=None)
    assert isinstance(verdict, Trusted)
    assert verdict.names.common_name == "Client 7"


def test_the_chain_may_come_in_any_order_after_the_leaf():
    """RFC 9846 4.5.1: implementations should be prepared for any order."""
    low = intermediate(CA, "Low")
    deep = leaf(low)
    assert isinstance(judged([deep.der, CA.der, low.der]), Trusted)


def test_surplus_and_repeated_certificates_are_ignored():
    """docs/defaults.md: they change no verdict, even when they cannot be parsed."""
    other = root("Other")
    chain = [SERVER.der, SERVER.der, other.der, b"garbage", CA.der, CA.der, ROOT.der]
    assert isinstance(judged(chain), Trusted)


def test_an_intermediate_may_be_the_anchor():
    """RFC 5280 6.1.1 d: an anchor is whom we trust, root or not."""
    verdict = judged(SERVER.chain, store(CA))
    assert isinstance(verdict, Trusted)
    assert verdict.path == (SERVER.certificate, CA.certificate)


def test_a_leaf_that_is_an_anchor_itself_is_trusted_for_what_it_says():
    """docs/defaults.md: the period, names and usages of a pinned certificate are still checked."""
    own = leaf(None, "dev.example")
    assert isinstance(judged([own.der], store(own), name="dev.example"), Trusted)
    assert refusals(judged([own.der], store(own), name="other.example")) == [(Fault.NAME_MISMATCH, 0)]
    late = own.certificate.not_valid_after_utc + DAY
    assert refusals(judged([own.der], store(own), name="dev.example", at=late)) == [
        (Fault.CERTIFICATE_EXPIRED, 0)
    ]


def test_of_several_anchors_of_one_name_the_right_one_is_found():
    """RFC 4158 5.2: names lead to candidates, signatures decide."""
    before, after = root("Same", own_key=key("P-256", 1)), root("Same", own_key=key("P-256", 2))
    for signer in (before, after):
        assert isinstance(judged(leaf(signer).chain, store(before, after)), Trusted)


def test_a_missing_intermediate_is_distinguished_from_an_unknown_ca():
    """The advice says what to do."""
    alone = judged([SERVER.der])
    assert refusals(alone) == [(Fault.NO_PATH, 0)]
    assert (
        "no certificate of its issuer, CN=Intermediate, came with it: if that is an intermediate"
        in alone.reasons[0].facts["advice"]
    )
    assert "CN=Intermediate" in alone.reasons[0].facts["advice"]
    elsewhere = judged(SERVER.chain, store(root("Elsewhere")))
    assert refusals(elsewhere) == [(Fault.NO_PATH, 1)]
    assert "ends at CN=Root" in elsewhere.reasons[0].facts["advice"]
    assert "CN=Elsewhere" in elsewhere.reasons[0].facts["advice"]
    whole = judged([*SERVER.chain, ROOT.der], store(root("Elsewhere")))
    assert refusals(whole) == [(Fault.NO_PATH, 2)]
    assert "ends at the root CN=Root" in whole.reasons[0].facts["advice"]


def test_an_unknown_self_signed_certificate_is_reported_as_such():
    """The most common development mistake has its own advice."""
    own = leaf(None, "server.example", own_key=key("P-256", 3))
    verdict = judged([own.der])
    assert refusals(verdict) == [(Fault.NO_PATH, 0)]
    assert "self-signed" in verdict.reasons[0].facts["advice"]
    assert verdict.reasons[0].fault.alert is Alert.UNKNOWN_CA


def test_a_ca_that_was_created_anew_under_its_old_name_is_recognised():
    """RFC 5280 4.2.1.1: the key identifiers differ, so it is another key and no altered certificate."""
    again = root("Root", own_key=key("P-256", 4))
    verdict = judged(leaf(ROOT).chain, store(again))
    assert refusals(verdict) == [(Fault.NO_PATH, 0)]
    assert "with another key" in verdict.reasons[0].facts["advice"]


def test_an_altered_certificate_is_refused_for_its_signature():
    """RFC 5280 6.1.3 a 1."""
    assert refusals(judged([altered(SERVER).der, CA.der])) == [(Fault.BAD_CERTIFICATE_SIGNATURE, 0)]
    assert refusals(judged([SERVER.der, altered(CA).der])) == [(Fault.BAD_CERTIFICATE_SIGNATURE, 1)]


def test_a_signature_by_another_key_without_key_identifiers_is_a_bad_signature():
    """RFC 5280 6.1.3 a 1: without identifiers a renewed CA cannot be distinguished from a forgery."""
    forged = leaf(ROOT, signed_by=key("P-256", 5), key_identifiers=False)
    assert refusals(judged([forged.der])) == [(Fault.BAD_CERTIFICATE_SIGNATURE, 0)]


def test_a_refusal_has_every_reason_with_position_and_subject():
    """All reasons, the first by precedence."""
    ca = issue("Late", ROOT, ca=False, not_after=NOW - DAY, key_usage=("digital_signature",))
    bad = leaf(ca, "other.example", usage=("clientAuth",), not_before=NOW + DAY)
    verdict = judged(bad.chain)
    assert refusals(verdict) == [
        (Fault.CERTIFICATE_NOT_YET_VALID, 0),
        (Fault.CERTIFICATE_EXPIRED, 1),
        (Fault.WRONG_EXTENDED_KEY_USAGE, 0),
        (Fault.NOT_A_CA, 1),
        (Fault.KEY_MAY_NOT_SIGN_CERTIFICATES, 1),
        (Fault.NAME_MISMATCH, 0),
    ]
    assert {reason.position: reason.subject for reason in verdict.reasons} == {
        0: "CN=other.example",
        1: "CN=Late",
    }
    assert [each.outcome for each in verdict.findings] == [
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.NOT_CHECKED,
    ]


def test_further_faults_are_reported_even_without_a_path():
    """The missing path is the first reason, an expired certificate another."""
    old = leaf(root("Nobody"), not_after=NOW - DAY)
    assert refusals(judged([old.der])) == [(Fault.NO_PATH, 0), (Fault.CERTIFICATE_EXPIRED, 0)]


def test_a_valid_path_is_found_beside_an_invalid_one():
    """RFC 4158 2.3: an expired cross-certificate does not spoil the chain."""
    expired = intermediate(ROOT, "Cross", not_after=NOW - DAY, own_key=key("P-256", 6))
    renewed = intermediate(ROOT, "Cross", own_key=key("P-256", 6))
    server = leaf(renewed)
    assert isinstance(judged([server.der, expired.der, renewed.der]), Trusted)


def test_of_several_failing_paths_the_best_one_explains():
    """It has the fewest reasons."""
    worse = issue("Cross", ROOT, ca=False, not_after=NOW - DAY, own_key=key("P-256", 6))
    better = intermediate(ROOT, "Cross", not_after=NOW - DAY, own_key=key("P-256", 6))
    server = leaf(better)
    assert refusals(judged([server.der, worse.der, better.der])) == [(Fault.CERTIFICATE_EXPIRED, 1)]


def test_cas_that_certify_each_other_do_not_loop_the_search():
    """RFC 4158 2.4.2: a name with its key occurs once on a path."""
    a, b = intermediate(ROOT, "A"), intermediate(ROOT, "B")
    a_by_b, b_by_a = intermediate(b, "A", own_key=a.key), intermediate(a, "B", own_key=b.key)
    server = leaf(a)
    assert refusals(judged([server.der, a_by_b.der, b_by_a.der])) == [(Fault.NO_PATH, 2)]
    assert isinstance(judged([server.der, a_by_b.der, b_by_a.der, b.der]), Trusted)


def test_a_chain_of_too_many_certificates_or_bytes_is_refused_undecoded():
    """RFC 5280 6.1 has no limit; ours are in docs/defaults.md."""
    many = judged([SERVER.der] * 17)
    assert refusals(many) == [(Fault.CHAIN_TOO_LARGE, None)]
    assert many.reasons[0].facts == {"got": 17, "unit": "certificates", "limit": 16}
    large = judged([SERVER.der, b"\x30" * 131072])
    assert refusals(large) == [(Fault.CHAIN_TOO_LARGE, None)]
    assert large.reasons[0].facts["unit"] == "bytes"


def test_a_path_deeper_than_the_limit_is_refused_as_too_long():
    """docs/defaults.md: ten certificates, leaf and anchor included."""
    above = ROOT
    for depth in range(9):
        above = intermediate(above, f"Level {depth}")
    assert refusals(judged(leaf(above).chain)) == [(Fault.PATH_TOO_LONG, 9)]
    assert isinstance(judged(leaf(above.above[0]).chain), Trusted)


def test_the_search_stops_at_its_limit_of_signatures():
    """RFC 4158 5: thirteen CAs with one name and different keys."""
    same = [root("Many", own_key=key("P-256", 20 + each), key_identifiers=False) for each in range(14)]
    forged = leaf(same[0], signed_by=key("P-256", 5), key_identifiers=False)
    verdict = judged([forged.der, *(each.der for each in same)], limits=Limits(microseconds=1900))
    assert (Fault.PATH_SEARCH_EXHAUSTED, None) in refusals(verdict)
    facts = verdict.reasons[0].facts
    assert facts["unit"] == "signatures"
    assert 0 < facts["limit"] * WorkStep.SIGNATURE.price.microseconds < 1400


def test_names_and_extensions_are_charged_before_they_are_decoded():
    """Bounded work: those of the leaf, and those of a possible issuer."""
    long = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(40_000)), False)]
    for chain in (leaf(ROOT, extra=long).chain, leaf(intermediate(ROOT, extra=long)).chain):
        for grant, fault in ((7000.0, Fault.PATH_SEARCH_EXHAUSTED), (12_000.0, None)):
            verdict = judged(chain, limits=Limits(microseconds=grant))
            if fault is None:
                assert isinstance(verdict, Trusted)
            else:
                assert (fault, None) in refusals(verdict)


def test_the_search_stops_at_its_limit_of_candidates(monkeypatch):
    """RFC 4158 5: CAs that all certify each other span more paths than anybody can walk."""
    names = [f"Mesh {each}" for each in range(6)]
    keys = {each: key("P-256", 40 + number) for number, each in enumerate(names)}
    issuers = {each: root(each, own_key=keys[each]) for each in names}
    mesh = [
        intermediate(issuers[issuer], subject, own_key=keys[subject])
        for subject in names
        for issuer in names
        if issuer != subject
    ]
    server = leaf(issuers["Mesh 0"])
    limits = Limits(certificates=64)
    checked = count_signatures(monkeypatch)
    verdict = judged([server.der, *(each.der for each in mesh)], limits=limits)
    assert (Fault.PATH_SEARCH_EXHAUSTED, None) in refusals(verdict)
    assert verdict.reasons[0].facts["unit"] == "candidates"
    assert len(checked) <= 31


@pytest.mark.parametrize(
    "garbage", [b"", b"\x30", b"\x00" * 40, SERVER.der[:-1], SERVER.der + b"\x00", b"\x30\x80" + b"\x00" * 9]
)
def test_a_leaf_that_is_not_a_certificate_is_refused_as_undecodable(garbage):
    """RFC 5280 4.1: a reason, and no traceback."""
    assert refusals(judged([garbage, CA.der])) == [(Fault.BAD_ENCODING, 0)]
    with pytest.raises(Blame) as caught:
        read_leaf(garbage, store(ROOT))
    assert caught.value.fault is Fault.BAD_ENCODING


def test_an_undecodable_intermediate_is_reported_with_the_missing_path():
    """RFC 5280 4.1: the peer did send it, only not in one piece."""
    assert refusals(judged([SERVER.der, CA.der[:-1]])) == [(Fault.BAD_ENCODING, 1), (Fault.NO_PATH, 0)]


def test_an_intermediate_that_the_parser_refuses_is_reported_with_the_missing_path():
    """RFC 5280 4.2: the same extension twice."""
    der = CA.der
    twice = bytes.fromhex("0603551d0e")
    broken = der.replace(bytes.fromhex("0603551d23"), twice)
    assert broken != der
    assert refusals(judged([SERVER.der, broken])) == [(Fault.BAD_ENCODING, 1), (Fault.NO_PATH, 0)]


def test_an_empty_chain_is_a_reason_and_no_error():
    """RFC 9846 4.5.1."""
    assert refusals(judged([])) == [(Fault.BAD_ENCODING, None)]


def test_the_leaf_is_decoded_before_the_verification():
    """The signature of the handshake is checked first."""
    assert read_leaf(SERVER.der, store(ROOT)).x509 == SERVER.certificate


def test_an_invalid_name_is_an_error_of_the_caller():
    """Never the peer's."""
    with pytest.raises(ConfigError):
        judged(SERVER.chain, name="https//server.example:443")


def test_validity_has_no_tolerance_and_includes_both_ends():
    """RFC 5280 4.1.2.5; docs/defaults.md."""
    first, last = SERVER.certificate.not_valid_before_utc, SERVER.certificate.not_valid_after_utc
    second = timedelta(seconds=1)
    assert isinstance(judged(SERVER.chain, at=last), Trusted)
    assert refusals(judged(SERVER.chain, at=last + second)) == [(Fault.CERTIFICATE_EXPIRED, 0)]
    early = root("Early", not_before=first - DAY)
    server = leaf(early)
    assert isinstance(judged(server.chain, store(early), at=first), Trusted)
    verdict = judged(server.chain, store(early), at=first - second)
    assert refusals(verdict) == [(Fault.CERTIFICATE_NOT_YET_VALID, 0)]
    assert verdict.reasons[0].facts["now"] == first - second


def test_an_anchors_own_validity_is_enforced():
    """docs/defaults.md: an anchor is checked by what its certificate says."""
    old = root("Old", not_after=NOW - DAY)
    assert refusals(judged(leaf(old).chain, store(old))) == [(Fault.CERTIFICATE_EXPIRED, 1)]


def test_an_anchors_own_constraints_are_enforced():
    """docs/defaults.md: path length and usages of an anchor count."""
    strict = root("Strict", path_length=0)
    verdict = judged(leaf(intermediate(strict)).chain, store(strict))
    assert refusals(verdict) == [(Fault.PATH_LENGTH_EXCEEDED, 2)]


def test_the_cache_skips_verified_signatures_and_nothing_else(monkeypatch):
    """Validity, usages and names are checked again."""
    anchors = store(ROOT)
    checked = count_signatures(monkeypatch)
    assert isinstance(judged(SERVER.chain, anchors), Trusted)
    assert len(checked) == 2
    assert isinstance(judged(SERVER.chain, anchors), Trusted)
    late = judged(SERVER.chain, anchors, name="other.example", at=NOW + 900 * DAY)
    assert refusals(late) == [(Fault.CERTIFICATE_EXPIRED, 0), (Fault.NAME_MISMATCH, 0)]
    assert len(checked) == 2


def test_no_signature_is_cached_whose_path_did_not_end_at_an_anchor(monkeypatch):
    """Nor any failure."""
    anchors = store(root("Elsewhere"))
    judged(SERVER.chain, anchors)
    judged([altered(SERVER).der, CA.der], anchors)
    checked = count_signatures(monkeypatch)
    judged(SERVER.chain, anchors)
    assert len(checked) == 1


def test_decoded_certificates_below_an_anchor_are_cached():
    """They are not decoded again, but verified again."""
    anchors = store(ROOT)
    first = read_leaf(SERVER.der, anchors)
    assert read_leaf(SERVER.der, anchors) is not first
    assert isinstance(judged(SERVER.chain, anchors, leaf=first), Trusted)
    assert read_leaf(SERVER.der, anchors) is first
    assert refusals(judged(SERVER.chain, anchors, at=NOW + 900 * DAY)) == [(Fault.CERTIFICATE_EXPIRED, 0)]


def test_no_certificate_is_cached_without_a_path_to_an_anchor():
    """So strangers cannot fill the cache."""
    for anchors in (store(root("Elsewhere")), store(ROOT, remember_paths=0)):
        first = read_leaf(SERVER.der, anchors)
        judged(SERVER.chain, anchors, leaf=first)
        assert read_leaf(SERVER.der, anchors) is not first


def test_stores_do_not_share_their_caches(monkeypatch):
    """An anchor of this very store."""
    warm = store(ROOT)
    judged(SERVER.chain, warm)
    checked = count_signatures(monkeypatch)
    judged(SERVER.chain, store(ROOT))
    assert len(checked) == 2


def test_the_cache_can_be_disabled(monkeypatch):
    anchors = store(ROOT, remember_paths=0)
    assert isinstance(judged(SERVER.chain, anchors), Trusted)
    checked = count_signatures(monkeypatch)
    assert isinstance(judged(SERVER.chain, anchors), Trusted)
    assert len(checked) == 2


def test_an_altered_certificate_is_not_taken_for_a_cached_one():
    """An edge is known by the digest of the whole certificate."""
    anchors = store(ROOT)
    judged(SERVER.chain, anchors)
    assert refusals(judged([altered(SERVER).der, CA.der], anchors)) == [(Fault.BAD_CERTIFICATE_SIGNATURE, 0)]


def test_a_key_used_for_encipherment_needs_that_key_usage():
    """RFC 5246 7.4.2: RSA key transport needs keyEncipherment, everything else digitalSignature."""
    signs = leaf(ROOT, "s.example")
    wraps = leaf(ROOT, "w.example", key_usage=("key_encipherment",))
    free = leaf(ROOT, "f.example", key_usage=None)
    assert isinstance(judged(signs.chain, name=None), Trusted)
    assert isinstance(judged(wraps.chain, name=None, key_usage="keyEncipherment"), Trusted)
    assert isinstance(judged(free.chain, name=None), Trusted)
    verdict = judged(wraps.chain, name=None)
    assert refusals(verdict) == [(Fault.WRONG_KEY_USAGE, 0)]
    assert verdict.reasons[0].facts == {"wanted": "digitalSignature"}
    assert refusals(judged(signs.chain, name=None, key_usage="keyEncipherment")) == [
        (Fault.WRONG_KEY_USAGE, 0)
    ]


def test_names_differing_in_case_and_spaces_chain():
    """RFC 5280 7.1."""
    ca = intermediate(ROOT, name("Pay  Ments", O="Example"))
    server = leaf(ca, issuer_name=name("pay ments", O="EXAMPLE"))
    assert isinstance(judged([server.der, ca.der]), Trusted)
    assert isinstance(judged([server.der], store(replace(ca, above=()))), Trusted)


def test_every_kind_of_key_and_signature_we_accept_makes_a_path():
    """RFC 9846 4.3.3, RFC 9881."""
    for kind in ("RSA-2048", "P-384", "P-521", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"):
        top = root(f"Root {kind}", key_kind=kind)
        assert isinstance(judged(leaf(top, key_kind=kind).chain, store(top)), Trusted), kind
        assert refusals(judged(leaf(top, broken=True).chain, store(top))) == [
            (Fault.BAD_CERTIFICATE_SIGNATURE, 0)
        ], kind


def test_a_certificate_signed_by_rsa_pss_is_accepted():
    """RFC 4055 3."""
    top = root("Root PSS", key_kind="RSA-2048")
    assert isinstance(judged(leaf(top, pss=True, digest="SHA384").chain, store(top)), Trusted)


def test_a_server_without_alternative_names_is_refused_by_name():
    """RFC 9525 6.3: a common name does not count."""
    bare = leaf(ROOT, alternatives=())
    verdict = judged(bare.chain)
    assert refusals(verdict) == [(Fault.NO_SERVER_NAMES, 0)]
    assert verdict.reasons[0].facts == {"wanted": "DNS:server.example"}


def test_a_leaf_with_an_empty_subject_still_has_a_text():
    """RFC 5280 4.1.2.6: an empty subject is named by its alternative names."""
    nameless = leaf(ROOT, None, alternatives=["URI:spiffe://example/api"], critical_alternatives=True)
    verdict = judged(nameless.chain)
    assert refusals(verdict) == [(Fault.NAME_MISMATCH, 0)]
    assert verdict.reasons[0].subject == "spiffe://example/api"
    assert isinstance(judged(nameless.chain, name="spiffe://example/api"), Trusted)


def test_an_unparsed_anchor_field_is_no_reason_for_an_unknown_extension():
    """RFC 5280 4.2: an unknown critical extension refuses the path at any position."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    for position, chain in enumerate(
        [
            leaf(CA, extra=[(unknown, True)]).chain,
            leaf(intermediate(ROOT, "Odd", extra=[(unknown, True)])).chain,
        ]
    ):
        verdict = judged(chain)
        assert refusals(verdict) == [(Fault.UNKNOWN_CRITICAL_EXTENSION, position)]
        assert verdict.reasons[0].facts == {"oid": "1.3.6.1.4.1.99999.1"}
    assert isinstance(judged(leaf(CA, extra=[(unknown, False)]).chain), Trusted)


def test_a_path_with_a_weak_signature_is_explained_completely():
    """RFC 9846 4.5.1.4: the path is known, and refused."""
    old = intermediate(ROOT, "Old", key_kind="RSA-2048", not_after=NOW - DAY)
    verdict = judged(leaf(old, digest="SHA1").chain)
    assert refusals(verdict) == [(Fault.WEAK_HASH, 0), (Fault.CERTIFICATE_EXPIRED, 1)]


def test_a_path_with_weak_signatures_gets_no_further_checks():
    """Anyone can make such a path, in any CA's name, so no expensive check is made."""
    asked = []
    old = intermediate(ROOT, "Old", key_kind="RSA-2048")
    verdict = judged(leaf(old, digest="SHA1").chain, status=lambda *path: asked.append(path))
    assert refusals(verdict) == [(Fault.WEAK_HASH, 0)]
    assert (verdict.findings[2].outcome, asked) == (Outcome.NOT_CHECKED, [])


def test_of_paths_with_weak_signatures_only_one_is_explained(monkeypatch):
    """RFC 4158 5: they are followed unchecked, so that they alone would span any number of paths."""
    keys = [key("RSA-2048", 60 + each) for each in range(4)]
    top = root("Many", own_key=keys[0], key_identifiers=False)
    same = [
        intermediate(top, "Many", own_key=each, digest="SHA1", key_identifiers=False) for each in keys[1:]
    ]
    forged = leaf(top, digest="SHA1", key_identifiers=False)
    checked = count_signatures(monkeypatch)
    verdict = judged([forged.der, *(each.der for each in same)], store(top))
    assert refusals(verdict) == [(Fault.WEAK_HASH, 0)]
    assert checked == []


def test_a_path_with_accepted_signatures_is_found_among_any_number_of_others():
    """A cross-signed CA with a weak signature does not hide the one with a strong signature."""
    own = key("RSA-2048", 6)
    weak = [
        intermediate(ROOT, "Cross", own_key=own, serial=each, signed_by=key("RSA-2048", 7), digest="SHA1")
        for each in range(100, 110)
    ]
    strong = intermediate(ROOT, "Cross", own_key=own, serial=200)
    server = leaf(strong)
    assert isinstance(judged([server.der, *(each.der for each in weak), strong.der]), Trusted)


def test_comparisons_of_names_are_bounded():
    """docs/defaults.md."""
    constraints = x509.NameConstraints([x509.DNSName(f"h{each}.example") for each in range(30)], None)
    ca = intermediate(ROOT, "Constrains", extra=[(constraints, True)])
    many = leaf(ca, alternatives=[f"DNS:n{each}.test" for each in range(400)])
    verdict = judged(many.chain, name=None, limits=Limits(microseconds=3000.0))
    assert refusals(verdict) == [(Fault.PATH_SEARCH_EXHAUSTED, None)]
    facts = verdict.reasons[0].facts
    assert facts["unit"] == "comparisons of names"
    assert 0 < facts["limit"] * WorkStep.NAME_COMPARISON.price.microseconds < 3250


def test_the_number_of_reasons_is_limited():
    """One of each fault is reported, and the number of the others."""
    constraints = x509.NameConstraints([x509.DNSName("h.example")], None)
    above = ROOT
    for depth in range(6):
        above = intermediate(above, f"Level {depth}", extra=[(constraints, True)], not_after=NOW - DAY)
    many = leaf(above, alternatives=[f"DNS:n{each}.test" for each in range(30)], not_after=NOW - DAY)
    verdict = judged(many.chain)
    assert len(verdict.reasons) == 16
    assert {each.fault for each in verdict.reasons} == {
        Fault.CERTIFICATE_EXPIRED,
        Fault.NAME_NOT_PERMITTED,
        Fault.NAME_MISMATCH,
    }
    assert verdict.left_out == 7 + 6 * 4 + 1 - 16
    reported = [each.facts["name"] for each in verdict.reasons if each.fault is Fault.NAME_NOT_PERMITTED]
    assert reported[:4] == ["n0.test", "n1.test", "n2.test", "n3.test and 26 more"]


def test_a_further_check_is_made_on_every_complete_path():
    """Such as revocation; after a refused path others are tried."""
    asked = []
    expired = intermediate(ROOT, "Cross", own_key=key("P-256", 6), serial=5)
    renewed = intermediate(ROOT, "Cross", own_key=key("P-256", 6), serial=6)
    server = leaf(renewed)

    def check(path, others, work):
        asked.append([each.subject_text for each in path])
        bad = ParsedCertificate(expired.der).serial == path[1].serial
        reasons = (Reason(Fault.REVOKED, 1, "", {}),) if bad else ()
        return PathCheck(Finding("c", Outcome.PASSED, "asked"), reasons, NOW + DAY)

    verdict = judged([server.der, expired.der, renewed.der], status=check)
    assert isinstance(verdict, Trusted)
    assert len(asked) == 2
    assert (verdict.findings[2].text, verdict.valid_until) == ("asked", NOW + DAY)
    alone = judged([server.der, expired.der], status=check)
    assert refusals(alone) == [(Fault.REVOKED, 1)]


def test_the_path_of_a_signer_is_found_for_any_purpose():
    """RFC 5280 6.3.3 f."""
    signer = ParsedCertificate(issue("Signer", CA, key_usage=("crl_sign",), usage=("codeSigning",)).der)
    above = (ParsedCertificate(CA.der), ParsedCertificate(ROOT.der))
    found = path_through(signer, above, NOW, WorkBudget())
    assert [each.der for each in found] == [signer.der, CA.der, ROOT.der]
    assert path_through(signer, above[1:], NOW, WorkBudget()) is None
    assert path_through(signer, above, NOW + 9999 * DAY, WorkBudget()) is None
    with pytest.raises(OutOfWork):
        path_through(signer, above, NOW, WorkBudget(50.0))
