"""Who may sign CRLs about the certificates of a path; others with the CA's name may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify as judge
from pki import DAY, NOW, Issued, crl, intermediate, issue, key, leaf, name, points, root
from trust.revocation.judging import ANCHORS, CA, CLEAN, REVOKED, ROOT, SERVER, UNKNOWN, problem, refusals

OWN = key("P-256", 4100)
SIGNS_BOTH = ("key_cert_sign", "crl_sign")
PERMITTED = x509.NameConstraints([x509.DirectoryName(name(None, O="Elsewhere"))], None)
ELSEWHERE = intermediate(ROOT, "Elsewhere")
CONSTRAINED = intermediate(ROOT, "Constrained", extra=[(PERMITTED, True)])
BELOW = intermediate(CA, "Below")
STRANGER = root("Stranger")


def namesake(by: Issued | None, subject: str = "Intermediate", **options: object) -> Issued:
    """Another CA with the name of the server's CA."""
    return issue(subject, by, **{"own_key": OWN, "key_usage": ("crl_sign",)} | options)


def judged_with(signer: Issued, *revoked: Issued, sent: tuple[Issued, ...] = ()) -> tuple[Verdict, CRL]:
    """Verify the server by a CRL that another CA with its CA's name signed, which is sent with the CAs above it."""
    listed = CRL(crl(signer, *revoked))
    store = CRLStore([CRL(CLEAN[0]), CRL(crl(CA, signer, point=_elsewhere())), listed])
    chain = [
        *SERVER.chain,
        *(each.der for each in (signer, *sent, *signer.above) if each.above or each is signer),
    ]
    verdict = judge(
        chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
        revocation=Revocation(crls=store, covers="leaf"),
    )  # fmt: skip
    return verdict, listed


def _elsewhere() -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://elsewhere.example/")], None, False, False, None, False, False
    )


MAY: dict[str, Callable[[], Issued]] = {
    "a second certificate of the CA, by the anchor": lambda: namesake(ROOT),
    "a second certificate of the CA, by the CA itself": lambda: namesake(CA),
    "the same as a CA": lambda: namesake(ROOT, ca=True, key_usage=SIGNS_BOTH),
    "one without a key usage": lambda: namesake(ROOT, key_usage=None),
    "one whose name is spelled otherwise": lambda: namesake(ROOT, "INTERMEDIATE"),
}
MAY_NOT: dict[str, Callable[[], Issued]] = {
    "a namesake below another CA": lambda: namesake(ELSEWHERE),
    "a namesake CA below another CA": lambda: namesake(ELSEWHERE, ca=True, key_usage=SIGNS_BOTH),
    "a namesake below a constrained CA": lambda: namesake(CONSTRAINED),
    "a namesake below a CA that the issuer has below it": lambda: namesake(BELOW),
    "a namesake that signed itself": lambda: namesake(None),
    "a namesake below an anchor of nobody": lambda: namesake(STRANGER),
    "one that may not sign lists": lambda: namesake(ROOT, key_usage=("digital_signature",)),
    "one that has expired": lambda: namesake(ROOT, not_after=NOW - DAY),
    "one that is not valid yet": lambda: namesake(ROOT, not_before=NOW + DAY),
    "one that the anchor did not sign": lambda: namesake(ROOT, signed_by=OWN),
    "one with an unknown critical extension": lambda: namesake(
        ROOT, extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", MAY)
def test_the_cas_of_the_path_authorise_the_signers_of_crls(who: str) -> None:
    """RFC 5280 6.3.3 f: the same anchor, cRLSign, the issuer's name, and CAs of the path alone above."""
    assert isinstance(judged_with(MAY[who]())[0], Trusted)
    assert refusals(judged_with(MAY[who](), SERVER)[0]) == REVOKED


@pytest.mark.parametrize("who", MAY_NOT)
def test_other_certificates_with_a_cas_name_sign_no_crl_and_cause_no_hash(who: str) -> None:
    """A CA elsewhere below the trust anchor can issue any name."""
    for revoked in ((), (SERVER,)):
        verdict, listed = judged_with(MAY_NOT[who](), *revoked)
        assert refusals(verdict) == UNKNOWN
        signer = ParsedCertificate(MAY_NOT[who]().der)
        assert listed.signer is None and not listed.has_checked(signer)


def test_the_fault_of_the_only_possible_signer_is_reported() -> None:
    """So that the operator sees why an available CRL is not used."""
    for who, words in (
        ("a namesake below another CA", "is not signed by a known key of that CA"),
        ("one that may not sign lists", "is not signed by a known key of that CA"),
    ):
        assert words in problem(judged_with(MAY_NOT[who]())[0])


def test_a_crl_of_a_revoked_signer_is_not_used() -> None:
    """RFC 5280 6.3.3 f: the signer is checked by the evidence of its own issuer."""
    second = namesake(ROOT)
    revoking = CRLStore([CRL(crl(ROOT, second)), CRL(crl(second))])
    verdict = judge(
        [*SERVER.chain, second.der], ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
        revocation=Revocation(crls=revoking, covers="leaf"),
    )  # fmt: skip
    assert "whose own status is not good" in problem(verdict)


def test_a_ca_signs_no_crl_about_a_ca_above_it() -> None:
    """Otherwise a checked CA could certify its own status."""
    above = issue("Root", CA, own_key=OWN, key_usage=("crl_sign",))
    store = CRLStore([CRL(crl(above)), CRL(CLEAN[1])])
    verdict = judge(
        [*SERVER.chain, above.der], ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
        revocation=Revocation(crls=store),
    )  # fmt: skip
    assert isinstance(verdict, Refused)
    assert refusals(verdict) == [(UNKNOWN[0][0], 1)]


def test_of_two_cas_with_one_name_each_crl_covers_its_own_certificates() -> None:
    """Neither CRL is about the other's certificates."""
    twin = intermediate(ELSEWHERE, "Intermediate", own_key=OWN)
    theirs = leaf(twin, "theirs.example")
    lists = CRLStore([CRL(crl(CA)), CRL(crl(twin, theirs, SERVER))])
    policy = Revocation(crls=lists, covers="leaf")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": NOW, "revocation": policy}
    assert isinstance(judge(SERVER.chain, ANCHORS, **asked), Trusted)
    assert refusals(judge(theirs.chain, ANCHORS, **asked)) == REVOKED
    only = Revocation(crls=CRLStore([CRL(crl(CA))]), covers="leaf")
    assert refusals(judge(theirs.chain, ANCHORS, **asked | {"revocation": only})) == UNKNOWN


@pytest.mark.parametrize("by", [CA, ROOT], ids=["the issuer", "a CA above it"])
def test_an_indirect_crl_issuer_is_certified_by_the_issuer_or_a_ca_above(by: Issued) -> None:
    """RFC 5280 6.3.3 b 1 and f: named by the certificate, and its CRL says that it is indirect."""
    there = points("URI:http://elsewhere.example/")
    signer = issue("List signer", by, key_usage=("crl_sign",), extra=[there])
    server = leaf(CA, extra=[points("DN:List signer", issuer="List signer")])
    about = x509.CertificateIssuer([x509.DirectoryName(name("Intermediate"))])
    for indirect, result in ((True, REVOKED), (False, UNKNOWN)):
        point = x509.IssuingDistributionPoint(
            [x509.DirectoryName(name("List signer"))], None, False, False, None, indirect, False
        )
        lists = [*CLEAN[:1], crl(by) if by is ROOT else crl(CA, point=_elsewhere())]
        lists.append(crl(signer, server, entry_extra=[(about, True)], point=point))
        verdict = judge(
            [server.der, CA.der, signer.der], ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
            revocation=Revocation(crls=CRLStore(map(CRL, lists)), covers="leaf"),
        )  # fmt: skip
        assert refusals(verdict) == result
