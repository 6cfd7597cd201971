"""`bothways ca sign`."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca_commands import ca, init


def test_a_request_is_signed(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    (folder / "bob.csr").write_bytes(request.public_bytes(Encoding.PEM))
    init()
    ca("sign", "ca", "bob.csr", "--profile", "client", "--out", "bob")
    leaf = x509.load_pem_x509_certificate((folder / "bob.pem").read_bytes())
    assert leaf.public_key() == key.public_key()
    assert not (folder / "bob.key").exists()


def test_what_a_request_has_beside_its_common_name_is_told_as_omitted(folder: Path) -> None:
    """Rules about `ou` would hold for nobody, without a word. NAME.pem is as good as NAME."""
    key = ec.generate_private_key(ec.SECP256R1())
    texts = {NameOID.ORGANIZATIONAL_UNIT_NAME: "ops\n", NameOID.COMMON_NAME: "bob"}
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in texts.items()])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    (folder / "bob.csr").write_bytes(request.public_bytes(Encoding.PEM))
    init()
    words = ("sign", "ca", "bob.csr", "--profile", "client", "--force", "--out", "bob.pem")
    told = ca(*words).stderr
    assert "wrote bob.pem:" in told
    assert "warning: the certificate does not have OU=ops\\n: of the subject of a request only" in told
    leaf = x509.load_pem_x509_certificate((folder / "bob.pem").read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=bob"
    assert "warning" not in ca(*words, "--name", "carl").stderr


def test_a_request_for_an_authority_is_signed_with_what_it_may(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Branch CA")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    (folder / "branch.csr").write_bytes(request.public_bytes(Encoding.DER))
    init("--no-intermediate")
    ca("sign", "ca", "branch.csr", "--profile", "sub-ca", "--path-length", "1", "--out", "branch")
    made = x509.load_pem_x509_certificate((folder / "branch.pem").read_bytes()).extensions
    assert made.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 1)


def test_a_file_without_end_is_no_request(folder: Path) -> None:
    init()
    ca("sign", "ca", "/dev/zero", "--profile", "client", "--out", "x", error="larger than 65536 bytes")
