"""Certificates of peers that are trusted as they are: each for itself, and for nothing that it has signed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.faults import Fault
from bothways.trust import files, verify, watched
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from pki import NOW, Issued, crl, issue, key, leaf, root

ROOT, OTHER = root(), root("Other")
ADA = leaf(ROOT, "ada.example")
ALONE = issue(
    "alone.example", None, ca=True, alternatives=["DNS:alone.example"]
)  # as `openssl req -x509` makes it


def judged(peer: Issued, store: TrustStore, **options) -> Verdict:
    return verify(peer.chain, store, purpose=Purpose.CLIENT, name=None, at=options.pop("at", NOW), **options)


def exactly(*peers: Issued, cas: tuple[Issued, ...] = ()) -> TrustStore:
    return TrustStore([each.der for each in cas], exact=[each.der for each in peers])


@pytest.mark.parametrize("peer", [ADA, ALONE], ids=["of another's CA", "self-signed"])
def test_a_certificate_is_trusted_as_it_is_whoever_issued_it(peer: Issued) -> None:
    verdict = judged(peer, exactly(peer))
    assert isinstance(verdict, Trusted)
    assert verdict.path_der == (peer.der,)
    assert verdict.names.dns == (peer.certificate.subject.rfc4514_string().removeprefix("CN="),)


@pytest.mark.parametrize(
    "peer",
    [
        leaf(ROOT, "other.example"),
        leaf(ROOT, "ada.example"),
        issue("ada.example", None, own_key=ADA.key, alternatives=["DNS:ada.example"]),
        leaf(ALONE, "ada.example"),
        leaf(ADA, "child.example"),
    ],
    ids=[
        "another",
        "the same name",
        "the same key",
        "signed by one that is a CA",
        "signed by one that is none",
    ],
)
def test_no_other_certificate_is_trusted_for_it(peer: Issued) -> None:
    """Nor by a chain that contains it."""
    verdict = judged(peer, exactly(ADA, ALONE))
    assert isinstance(verdict, Refused)
    assert verdict.reasons[0].fault is Fault.NO_PATH


def test_validity_purpose_and_key_of_an_exact_certificate_still_count() -> None:
    late = judged(ADA, exactly(ADA), at=NOW + timedelta(days=400))
    assert isinstance(late, Refused)
    assert [each.fault for each in late.reasons] == [Fault.CERTIFICATE_EXPIRED]
    server = leaf(ROOT, "server.example", usage=["serverAuth"])
    weak = leaf(ROOT, "weak.example", own_key=key("RSA-1024"))
    for peer in (server, weak):
        assert isinstance(judged(peer, exactly(peer)), Refused)


def test_cas_beside_it_are_trusted_as_always() -> None:
    """And a certificate of such a CA is verified by its path and its revocation."""
    store = exactly(ALONE, cas=(ROOT,))
    revocation = Revocation(crls=CRLStore([CRL(crl(ROOT, ADA))]))
    assert isinstance(judged(ADA, store), Trusted)
    assert isinstance(judged(ADA, store, revocation=revocation), Refused)
    assert isinstance(judged(ALONE, store, revocation=revocation), Trusted), (
        "it has no issuer that could revoke it"
    )
    assert isinstance(judged(ALONE, store), Trusted)
    assert isinstance(judged(leaf(OTHER, "x.example"), store), Refused)


def test_stores_that_trust_it_otherwise_have_other_digests() -> None:
    """A session is bound to them."""
    plain = TrustStore([ROOT.der])
    assert exactly(cas=(ROOT,)).digest == plain.digest
    assert (
        len({plain.digest, exactly(ROOT).digest, exactly(ADA, cas=(ROOT,)).digest, exactly(ADA).digest}) == 4
    )


def test_clients_are_asked_for_it_by_the_name_of_its_issuer() -> None:
    """RFC 9846 4.3.4: so that a client that chooses by these names finds it."""
    assert set(exactly(ADA, ALONE, cas=(OTHER,)).subjects) == {
        each.certificate.subject.public_bytes() for each in (ROOT, ALONE, OTHER)
    }


def test_files_name_cas_exact_certificates_or_both(tmp_path: Path) -> None:
    ca, theirs = tmp_path / "ca.pem", tmp_path / "theirs.pem"
    ca.write_bytes(ROOT.pem)
    theirs.write_bytes(ADA.pem + ALONE.pem)
    assert len(TrustStore.from_file(ca, exact=theirs)) == 3
    only = TrustStore.from_file(None, exact=theirs)
    assert (len(only), only.digest) == (2, exactly(ADA, ALONE).digest)
    with pytest.raises(ConfigError, match="expected a file"):
        TrustStore.from_file(None)
    for content in (b"", ADA.key_pem):
        theirs.write_bytes(content)
        with pytest.raises(ConfigError, match="theirs.pem: "):
            TrustStore.from_file(ca, exact=theirs)


def test_a_peer_that_is_removed_from_a_watched_file_is_trusted_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last one, by an empty file; one that cannot be read changes nothing."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    theirs = tmp_path / "theirs.pem"
    theirs.write_bytes(ADA.pem + ALONE.pem)
    store = TrustStore.watched(None, exact=theirs)
    assert isinstance(judged(ADA, store), Trusted)
    for content, trusted in (
        (ALONE.pem, False),
        (ADA.pem, True),
        (b"damaged", True),
        (b"\n", False),
        (ADA.pem, True),
    ):
        theirs.write_bytes(content)
        assert isinstance(judged(ADA, store), Trusted) is trusted, content
