"""The files that a plain web server needs."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from bothways.ca_server.published_files import certificates, published_files, root_crl
from ca.issuers import DAY, NOW, Clock, client, new_issuer


def test_paths_are_those_that_certificates_name(tmp_path: Path, clock: Clock) -> None:
    issuer = new_issuer(tmp_path / "ca", clock, url="http://ca.example", partition=1)
    client(issuer, "alice")
    clock.at = NOW + 60 * DAY
    client(issuer, "bob")
    assert issuer.publish_due()
    names = [name for name, _ in published_files(issuer)]
    assert names == [
        "ca/issuing.cer", "ca/root.cer", "crl/root.crl", "crl/issuing.crl", "crl/issuing/0.crl", "crl/issuing/1.crl",
    ]  # fmt: skip
    clock.at = NOW + 91 * DAY
    assert "crl/issuing/0.crl" not in dict(published_files(issuer))
    for name, content in published_files(issuer):
        if name.endswith(".crl"):
            x509.load_der_x509_crl(content)
        else:
            assert x509.load_der_x509_certificate(content) in (
                issuer.authority.certificate,
                issuer.authority.root,
            )
    issuer.close()


def test_a_root_that_issues_itself_has_one_crl(tmp_path: Path, clock: Clock) -> None:
    issuer = new_issuer(tmp_path / "ca", clock, intermediate=False)
    assert root_crl(issuer) is None
    assert len(set(certificates(issuer).values())) == 1
    issuer.close()
