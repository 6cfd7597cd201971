"""OCSP responses: for whom they answer, until when, and who may have signed them (RFC 6960, RFC 9654)."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from bothways.errors import ConfigError
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.ocsp.response import (
    MAX_AGE,
    MAX_RESPONSES,
    OCSPResponse,
    needs_no_check,
    nonce_problem,
    responses_in,
)
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.work import OutOfWork, WorkBudget, WorkStep
from pki import DAY, NOW, altered, crl, der, issue, key, leaf, ocsp_refusal, ocsp_response, responder, root
from trust.responses import by_pss, together

ROOT = root()
ISSUER = ParsedCertificate(ROOT.der)
ONE, TWO = leaf(ROOT, "one.example"), leaf(ROOT, "two.example")
GOOD = ocsp_response(ONE)
HOUR = timedelta(hours=1)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def asked(response: bytes, issued=ONE, issuer=ROOT):
    return OCSPResponse(response).response_about(ParsedCertificate(issued.der), ParsedCertificate(issuer.der))


def signer(response: bytes, at=NOW):
    found = OCSPResponse(response).signer(ISSUER, at)
    return found if isinstance(found, str) else found.subject_text


def test_a_response_is_about_its_certificate_only():
    """RFC 6960 4.1.1: serial number, and name and key of the issuer."""
    answer = asked(GOOD)
    assert (answer.state, answer.this_update, answer.next_update) == ("good", NOW - DAY / 2, NOW + DAY)
    assert asked(GOOD, TWO) is None
    assert asked(GOOD, ONE, root("Root", own_key=key("P-256", 1))) is None
    other = root("Other", own_key=ROOT.key)
    same_serial = issue("one.example", other, serial=ONE.certificate.serial_number)
    assert asked(GOOD, same_serial, other) is None


@pytest.mark.parametrize(
    "digest", [hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]
)
def test_a_certificate_is_found_by_a_certid_with_any_hash(digest):
    """RFC 6960 4.3."""
    response = ocsp_response(ONE, digest=digest)
    assert asked(response).state == "good"
    assert asked(response, TWO) is None


def test_a_certid_with_an_unknown_hash_is_skipped():
    """RFC 6960 4.1.1: the rest of the response still counts."""
    sha1, unknown = bytes.fromhex("06052b0e03021a"), bytes.fromhex("06052b0e03027f")
    assert OCSPResponse(GOOD.replace(sha1, unknown)).responses == ()


def test_a_revocation_has_date_and_reason():
    """RFC 6960 4.2.1."""
    answer = asked(ocsp_response(ONE, status="revoked", reason="ca_compromise"))
    assert (answer.state, answer.revoked_at, answer.reason) == ("revoked", NOW - 2 * DAY, "CA compromise")
    assert asked(ocsp_response(ONE, status="revoked")).reason == "unspecified"
    assert asked(ocsp_response(ONE, status="unknown")).state == "unknown"


def test_a_single_response_is_valid_from_thisupdate_to_nextupdate():
    """RFC 6960 4.2.2.1, with a tolerance at both ends."""
    answer = asked(GOOD)
    minutes = timedelta(minutes=5)
    assert answer.untimeliness(NOW, timedelta(0), MAX_AGE) is None
    assert answer.until(MAX_AGE) == NOW + DAY
    early, late = answer.this_update - minutes, NOW + DAY + minutes
    for edge in (early, late):
        assert answer.untimeliness(edge, minutes, MAX_AGE) is None
    assert "is not valid before" in answer.untimeliness(early, timedelta(0), MAX_AGE)
    assert answer.untimeliness(late, timedelta(0), MAX_AGE) == "it expired on 2026-06-02 12:00"


def test_a_single_response_without_nextupdate_is_valid_for_a_day():
    """docs/defaults.md: RFC 6960 says that newer information is always available."""
    answer = asked(ocsp_response(ONE, next_update=None, this_update=NOW))
    assert answer.until(MAX_AGE) == NOW + DAY
    assert answer.untimeliness(NOW + DAY, timedelta(0), MAX_AGE) is None
    assert "it has no nextUpdate, and is too old since" in answer.untimeliness(
        NOW + DAY + HOUR, timedelta(0), MAX_AGE
    )


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519", "ML-DSA-44"])
def test_the_issuer_itself_may_sign_responses(kind, by_name):
    """RFC 6960 4.2.2.2, named by its name or its key (4.2.1)."""
    top = root(f"OCSP {kind}", key_kind=kind)
    issuer = ParsedCertificate(top.der)
    assert OCSPResponse(ocsp_response(leaf(top), by_name=by_name)).signer(issuer, NOW) is issuer


@pytest.mark.parametrize("by_name", [False, True])
def test_a_delegate_of_the_issuer_may_sign_responses(by_name):
    """RFC 6960 4.2.2.2: issued by the issuer itself, for OCSP signing."""
    mine = responder(ROOT)
    assert signer(ocsp_response(ONE, signer=mine, by_name=by_name)) == "CN=Responder"
    assert needs_no_check(ParsedCertificate(mine.der))
    assert not needs_no_check(ParsedCertificate(responder(ROOT, no_check=False).der))


STRANGER = root("Stranger", own_key=key("P-256", 3200))
FORGED = leaf(STRANGER, "Responder", usage=("OCSPSigning",), issuer_name=ROOT.certificate.subject)
OF_ISSUER = "it is signed by CN=Responder, whom CN=Root has not authorised: "


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (STRANGER, "it is signed by CN=Stranger, whom CN=Root has not authorised: it did not issue that"),
        (FORGED, OF_ISSUER + "it did not issue that certificate"),
        (responder(STRANGER), OF_ISSUER + "it did not issue that certificate"),
        (TWO, "it is signed by CN=two.example, whom CN=Root has not authorised: that certificate is not for"),
        (responder(ROOT, usage=None), OF_ISSUER + "that certificate is not for OCSP signing"),
        (responder(ROOT, usage=("any",)), OF_ISSUER + "that certificate is not for OCSP signing"),
        (responder(ROOT, key_usage=("key_agreement",)), "whose key usage does not allow signatures"),
        (responder(ROOT, not_after=NOW - DAY), "whose certificate is outside its validity period"),
        (responder(ROOT, not_before=NOW + DAY), "whose certificate is outside its validity period"),
        (responder(ROOT, key_kind="RSA-1024"), "whose key is too weak: RSA of 1024 bits"),
        (responder(ROOT, extra=[(UNKNOWN, True)]), "the critical extension 1.3.6.1.4.1.99999.1"),
    ],
)
def test_a_response_of_another_signer_is_refused_with_its_name(who, words):
    """Refused, and said whose it is."""
    assert words in signer(ocsp_response(ONE, signer=who))


def test_a_delegate_that_was_certified_with_a_weak_hash_signs_nothing():
    """RFC 9325 4.5: anybody who can make hashes collide could have the certificate of a delegate."""
    top = root("OCSP RSA-2048", key_kind="RSA-2048")
    one = leaf(top)
    issuer = ParsedCertificate(top.der)
    strong, weak = (
        OCSPResponse(ocsp_response(one, signer=responder(top, digest=digest)))
        for digest in ("SHA256", "SHA1")
    )
    assert not isinstance(strong.signer(issuer, NOW), str)
    assert str(weak.signer(issuer, NOW)).endswith("has not authorised: it did not issue that certificate")


@pytest.mark.parametrize("count", [MAX_RESPONSES, MAX_RESPONSES + 1])
def test_the_number_of_single_responses_is_limited(count):
    """A response about many certificates costs work before its signature is known."""
    many = together([GOOD] * count, ROOT)
    if count == MAX_RESPONSES:
        assert len(OCSPResponse(many).responses) == count
    else:
        with pytest.raises(ValueError, match=f"more than {MAX_RESPONSES} single responses"):
            OCSPResponse(many)


def test_a_response_with_a_wrong_signature_is_refused():
    """RFC 6960 3.2: altered, or signed by another key in the issuer's name."""
    altered = bytearray(GOOD)
    altered[-1] ^= 1
    assert signer(bytes(altered)) == "its signature does not verify under the key of CN=Root"
    mine = responder(ROOT)
    whole = ocsp_response(ONE, signer=mine)
    signature = ocsp.load_der_ocsp_response(whole).signature
    turned = whole.replace(signature, signature[:-1] + bytes([signature[-1] ^ 1]))
    assert signer(turned) == "its signature does not verify under the key of CN=Responder"
    bare = ocsp_response(ONE, signer=mine, delegates=[])
    assert ", without a certificate whose key verifies the signature" in signer(bare)
    by_name = ocsp_response(ONE, signer=mine, delegates=[], by_name=True)
    assert "in the name of CN=Responder" in signer(by_name)
    broken = ocsp_response(ONE, signer=mine).replace(mine.der[:40], b"\x31" + mine.der[1:40])
    with pytest.raises(ValueError, match=r".+"):
        OCSPResponse(broken)


def test_a_weak_signature_does_not_count():
    """RFC 9325 4.5: as in certificates."""
    top = root("OCSP RSA-2048", key_kind="RSA-2048")
    rsa = bytes.fromhex("2a864886f70d0101")
    weak = ocsp_response(leaf(top)).replace(rsa + b"\x0b", rsa + b"\x05")
    assert OCSPResponse(weak).signer(ParsedCertificate(top.der), NOW) == "it is signed with SHA-1"


STRONG_PSS = [
    (hashes.SHA256(), hashes.SHA256()),
    (hashes.SHA384(), hashes.SHA384()),
    (hashes.SHA256(), hashes.SHA384()),
]


@pytest.mark.parametrize(("digest", "mask"), STRONG_PSS)
def test_rsassa_pss_counts_by_the_same_rules_as_in_certificates(digest, mask):
    """RFC 4055 3.1, by the issuer and by a delegate."""
    top = root("OCSP RSA-2048", key_kind="RSA-2048")
    issuer, one = ParsedCertificate(top.der), leaf(top)
    by_issuer = by_pss(ocsp_response(one), top, digest, mask)
    assert OCSPResponse(by_issuer).signer(issuer, NOW) is issuer
    mine = responder(top, key_kind="RSA-2048")
    found = OCSPResponse(by_pss(ocsp_response(one, signer=mine), mine, digest, mask)).signer(issuer, NOW)
    assert not isinstance(found, str) and found.der == mine.der
    forged = by_pss(ocsp_response(one), responder(top, key_kind="RSA-2048"), digest, mask)
    assert (
        OCSPResponse(forged).signer(issuer, NOW)
        == "its signature does not verify under the key of CN=OCSP RSA-2048"
    )


@pytest.mark.parametrize(
    ("digest", "mask", "trailer", "words"),
    [
        (hashes.SHA1(), hashes.SHA1(), None, "SHA-1"),
        (hashes.SHA256(), hashes.SHA1(), None, "RSASSA-PSS with the mask hash sha1"),
        (hashes.SHA256(), hashes.SHA256(), 2, "RSASSA-PSS with unknown parameters"),
    ],
)
def test_rsassa_pss_with_weak_parameters_does_not_count(digest, mask, trailer, words):
    """RFC 4055 3.1: the trailer is 1, and SHA-1 is not accepted as mask hash or digest."""
    top = root("OCSP RSA-2048", key_kind="RSA-2048")
    weak = by_pss(ocsp_response(leaf(top)), top, digest, mask, trailer)
    assert OCSPResponse(weak).signer(ParsedCertificate(top.der), NOW) == f"it is signed with {words}"


REVOKED, HELD, UNSURE = (
    ocsp_response(ONE, status="revoked", reason="superseded"),
    ocsp_response(ONE, status="revoked", reason="certificate_hold"),
    ocsp_response(ONE, status="unknown"),
)


@pytest.mark.parametrize(
    ("responses", "worst"),
    [
        ((GOOD, UNSURE), ("unknown", "")),
        ((GOOD, REVOKED), ("revoked", "superseded")),
        ((UNSURE, REVOKED), ("revoked", "superseded")),
        ((HELD, UNSURE), ("revoked", "certificate hold")),
        ((HELD, REVOKED), ("revoked", "superseded")),
        ((GOOD, ocsp_response(ONE, status="revoked", digest=hashes.SHA256())), ("revoked", "unspecified")),
    ],
)
def test_of_several_responses_about_one_certificate_the_worst_counts(responses, worst):
    """RFC 6960 4.2.2.3 knows one for each certificate; whichever comes first, and by whichever hash."""
    for order in (responses, responses[::-1]):
        found = OCSPResponse(together([*order, ocsp_response(TWO)], ROOT))
        answer = found.response_about(ParsedCertificate(ONE.der), ISSUER)
        assert (answer.state, answer.reason) == worst
        assert len(found.responses_about(ParsedCertificate(ONE.der), ISSUER)) == 2


def test_a_revocation_for_an_unknown_reason_is_a_revocation():
    """RFC 5280 5.3.1: seven is no reason."""
    odd = REVOKED.replace(b"\xa0\x03\x0a\x01\x04", b"\xa0\x03\x0a\x01\x07")
    assert odd != REVOKED
    answer = asked(odd)
    assert (answer.state, answer.reason) == ("revoked", "unspecified")


def test_a_single_response_with_nextupdate_before_thisupdate_is_never_valid():
    """RFC 6960 4.2.2.1, however far clocks may differ."""
    answer = asked(ocsp_response(ONE, this_update=NOW, next_update=NOW - timedelta(minutes=1)))
    assert "its nextUpdate is before its thisUpdate:" in answer.untimeliness(
        NOW, timedelta(minutes=5), MAX_AGE
    )


def test_of_several_certificates_of_one_responder_any_valid_one_is_accepted():
    """RFC 6960 4.2.2.2: an expired, a forged and an unrelated one do not matter."""
    mine = responder(ROOT)
    others = [
        responder(ROOT, own_key=mine.key, not_after=NOW - DAY),
        responder(STRANGER, own_key=mine.key),
        altered(responder(ROOT, own_key=mine.key)),
    ]
    for by_name in (False, True):
        for along in ([*others, mine], [mine, *others]):
            response = ocsp_response(ONE, signer=mine, delegates=along, by_name=by_name)
            found = OCSPResponse(response).signer(ISSUER, NOW)
            assert not isinstance(found, str) and found.der == mine.der


def test_the_signer_is_found_once_and_charged_to_the_budget():
    """Each key is checked once."""
    found = OCSPResponse(ocsp_response(ONE, signer=responder(ROOT)))
    assert found.authorised_by is None and not found.was_refused
    work = WorkBudget()
    found.signer(ISSUER, NOW, work)
    assert work.spent[WorkStep.SIGNATURE] == 2  # the delegate by the issuer, the response by the delegate
    assert found.authorised_by is ISSUER
    stranger = OCSPResponse(ocsp_response(ONE, signer=STRANGER, delegates=[]))
    stranger.signer(ParsedCertificate(STRANGER.der), NOW)
    again = WorkBudget()
    stranger.signer(ParsedCertificate(STRANGER.der), NOW, again)
    assert WorkStep.SIGNATURE not in again.spent
    with pytest.raises(OutOfWork):
        OCSPResponse(GOOD).signer(ISSUER, NOW, WorkBudget(microseconds=1.0))


def test_an_error_response_has_a_problem_and_no_single_responses():
    """RFC 6960 4.2.1: OCSPResponseStatus."""
    found = OCSPResponse(ocsp_refusal("try_later"))
    assert found.problem == "the responder answered: try later"
    assert found.responses == ()


def test_an_unknown_critical_extension_makes_a_response_prove_nothing_good():
    """RFC 6960 4.4: what we cannot process."""
    assert "1.3.6.1.4.1.99999.1" in OCSPResponse(ocsp_response(ONE, extra=[(UNKNOWN, True)])).unsupported_part
    assert OCSPResponse(ocsp_response(ONE, extra=[(UNKNOWN, False)])).unsupported_part is None


def with_single_extension(critical: bool) -> bytes:
    """GOOD, whose one answer has an extension of its own; its signature is no longer right."""
    data = ocsp.load_der_ocsp_response(GOOD).tbs_response_bytes
    flag = b"\x01\x01\xff" if critical else b""
    extension = der(0x30, bytes.fromhex("06062b0601040163") + flag + der(0x04, b"\x05\x00"))
    parts = _elements(_content(data))
    [single] = _elements(_content(parts[2]))
    longer = der(0x30, _content(single) + der(0xA1, der(0x30, extension)))
    changed = der(0x30, parts[0] + parts[1] + der(0x30, longer) + b"".join(parts[3:]))
    basic = _content(_elements(_content(_content(_elements(_content(GOOD))[1])))[1])
    return _wrapped(der(0x30, changed + b"".join(_elements(_content(basic))[1:])))


def _wrapped(basic: bytes) -> bytes:
    kind = bytes.fromhex("06092b0601050507300101")
    return der(0x30, bytes.fromhex("0a0100") + der(0xA0, der(0x30, kind + der(0x04, basic))))


def _content(element: bytes) -> bytes:
    return element[2 + max(0, element[1] - 128) if element[1] >= 128 else 2 :]


def _elements(content: bytes) -> list[bytes]:
    found = []
    while content:
        size, head = content[1], 2
        if size >= 128:
            head += size - 128
            size = int.from_bytes(content[2:head], "big")
        found.append(content[: head + size])
        content = content[head + size :]
    return found


def test_an_unknown_critical_extension_of_a_single_response_makes_it_prove_nothing_good():
    """RFC 6960 4.4: found in every single response, not only in a response with one."""
    assert OCSPResponse(with_single_extension(critical=False)).unsupported_part is None
    assert (
        "a single response has a critical extension"
        in OCSPResponse(with_single_extension(critical=True)).unsupported_part
    )


def test_the_nonce_of_a_response_must_be_ours():
    """RFC 9654 2.1: another's is a replay; none may be, unless one is required."""
    ours = b"n" * 32
    assert nonce_problem(OCSPResponse(ocsp_response(ONE, nonce=ours)), ours) is None
    another = OCSPResponse(ocsp_response(ONE, nonce=b"m" * 32))
    assert "it returns another nonce than ours: it is the answer to another request" in nonce_problem(
        another, ours
    )
    assert nonce_problem(OCSPResponse(GOOD), ours) is None
    assert nonce_problem(OCSPResponse(GOOD), ours, required=True) == "it does not return our nonce"
    for size in (0, 129):
        found = OCSPResponse(ocsp_response(ONE, nonce=b"n" * size))
        assert "where 1 to 128 are allowed" in nonce_problem(found, ours)


def test_responses_are_read_from_files(tmp_path):
    """DER as `openssl ocsp -respout` writes it, or PEM."""
    armoured = b"-----BEGIN OCSP RESPONSE-----\n%b-----END OCSP RESPONSE-----\n" % base64.encodebytes(GOOD)
    (tmp_path / "one.der").write_bytes(GOOD)
    (tmp_path / "two.pem").write_bytes(armoured + armoured.replace(b"\n-", b"\n\n-"))
    assert len(OCSPStore.from_files(tmp_path / "one.der", tmp_path / "two.pem")) == 1
    assert [each.der for each in responses_in(armoured * 2, "two.pem")] == [GOOD, GOOD]
    assert repr(responses_in(GOOD, "one.der")[0]).endswith(", 1 responses>")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "it contains no OCSP response; expected"),
        (crl(ROOT), "cannot be read"),
        (GOOD[:-1], "cannot be read"),
        (ocsp_refusal("unauthorized"), "cannot be used: the responder answered: unauthorized"),
    ],
)
def test_data_that_is_not_a_response_is_a_config_error_with_its_file(data, words):
    """Which file, what was expected."""
    with pytest.raises(ConfigError, match=f"^some.der: .*{words}"):
        responses_in(data, "some.der")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_an_altered_byte_gives_a_response_or_a_value_error(place, change):
    """One gate for the parser's exceptions."""
    data = bytearray(GOOD)
    data[place] ^= change
    try:
        found = OCSPResponse(bytes(data))
    except ValueError:
        return
    if found.problem is None:
        found.response_about(ParsedCertificate(ONE.der), ISSUER)
        assert isinstance(found.signer(ISSUER, NOW), str)


@given(st.integers(0, len(GOOD) - 1))
def test_no_prefix_of_a_response_is_a_response(length):
    """RFC 6960 4.2.1."""
    with pytest.raises(ValueError, match=r".+"):
        OCSPResponse(GOOD[:length])
