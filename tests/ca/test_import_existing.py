"""Authorities that exist already: made by OpenSSL and by us, taken over with what they issued before."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from bothways.ca.authority import Authority, pem
from bothways.ca.crl import RevokedEntry, build_crl
from bothways.ca.errors import AlreadyExists, AlreadyRevoked, AuthorityError, ImportRefused, NotRenewable
from bothways.ca.home.init import InitOptions
from bothways.ca.home.layout import root_register_of
from bothways.ca.import_existing import (
    check_serial,
    import_authority,
    import_certificates,
    import_crl,
    is_crl,
    read_earlier_crl,
    read_existing,
    read_issued,
)
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType, private_pem
from bothways.ca.profiles import Holder, Profile
from bothways.errors import ConfigError
from bothways.trust.decoding.parsing import PassphraseNeeded, WrongPassphrase
from ca.issuers import DAY, NOW, Clock, client
from interop import peers

TERMS = InitOptions("")
WEEK = timedelta(days=7)


def root(name: str = "Old Root", **more: object) -> Authority:
    return Authority.create(name, now=lambda: NOW, **more)  # type: ignore[arg-type]


def write(folder: Path, authority: Authority, password: bytes | None = None) -> tuple[Path, Path]:
    """The files of an authority as another program would leave them."""
    cert, key = folder / "old.pem", folder / "old.key"
    cert.write_bytes(pem((authority.certificate, *authority.parents)))
    key.write_bytes(private_pem(authority.key, password))  # type: ignore[arg-type]
    return cert, key


def taken(folder: Path, authority: Authority, clock: Clock, url: str = "", crl_number: int = 0) -> Issuer:
    existing = read_existing(*write(folder, authority), None, now=clock)
    options = InitOptions("", database_url=url)
    import_authority(folder / "ca", existing, options, None, crl_number=crl_number, actor="tester", now=clock)
    return Issuer.open(folder / "ca", None, actor="tester", now=clock)


def crl(authority: Authority, number: int, *revoked: int) -> bytes:
    entries = [RevokedEntry(serial, NOW - DAY, "keyCompromise") for serial in revoked]
    return build_crl(authority, entries, number, NOW, NOW + WEEK).public_bytes(Encoding.DER)


def test_an_imported_root_issues_under_its_old_key(tmp_path: Path, clock: Clock, url: str) -> None:
    old = root()
    before = old.issue(Profile.CLIENT, "alice")
    with taken(tmp_path, old, clock, url) as issuer:
        assert issuer.authority.certificate == old.certificate
        assert (
            import_certificates(issuer, list(read_issued(before.chain_pem, "alice.pem", issuer.authority)))
            == 1
        )
        assert (
            import_certificates(issuer, list(read_issued(before.chain_pem, "alice.pem", issuer.authority)))
            == 0
        )
        client(issuer, "bob")
        issuer.revoke(before.serial, "superseded")
        assert [entry.serial_number for entry in issuer.crl()] == [before.serial]
        assert [entry.action for entry in issuer.audit()] == ["take over", "import", "issue", "revoke", "crl"]
        renewed = issuer.renew(client(issuer, "carol"))
        renewed.certificate.verify_directly_issued_by(old.certificate)


def test_an_intermediate_is_imported_with_all_that_are_above_it(tmp_path: Path, clock: Clock) -> None:
    top = root()
    middle = top.intermediate("Old Policy CA", path_length=1)
    old = middle.intermediate("Old Issuing CA")
    with taken(tmp_path, old, clock) as issuer:
        issued = issuer.issue(Profile.CLIENT, Holder("alice"))
        assert [each.subject for each in issued.intermediates] == [
            old.certificate.subject,
            middle.certificate.subject,
        ]
        assert issuer.authority.root == top.certificate
        assert not (issuer.path / "root.key").exists()
        assert issuer.crls_pem().count(b"BEGIN X509 CRL") == 1
    with root_register_of(issuer.path) as register:
        assert register.check_audit().number == 0


def test_two_authorities_under_one_root_share_a_database(tmp_path: Path, clock: Clock, url: str) -> None:
    top = root()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with taken(tmp_path / name, top.intermediate(f"Issuing {name}"), clock, url) as issuer:
            client(issuer, "alice")
            assert len(list(issuer.register.all())) == 1


def test_what_an_earlier_crl_revokes_stays_revoked_and_numbers_continue(
    tmp_path: Path, clock: Clock, url: str
) -> None:
    """RFC 5280 5.2.3: a number is never below one that was published."""
    old = root()
    alice, bob = (old.issue(Profile.CLIENT, name) for name in ("alice", "bob"))
    with taken(tmp_path, old, clock, url) as issuer:
        import_certificates(issuer, list(read_issued(bob.chain_pem, "bob.pem", issuer.authority)))
        earlier = read_earlier_crl(crl(old, 41, alice.serial, bob.serial), "old.crl", issuer.authority)
        assert import_crl(issuer, earlier) == 2
        assert import_crl(issuer, earlier) == 0
        made = issuer.crl()
        assert made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 42
        listed = {entry.serial_number: entry.revocation_date_utc for entry in made}
        assert listed == {alice.serial: NOW - DAY, bob.serial: NOW - DAY}
        with pytest.raises(AlreadyRevoked, match="is revoked already, for keyCompromise"):
            issuer.revoke(alice.serial)
        import_certificates(issuer, list(read_issued(alice.chain_pem, "alice.pem", issuer.authority)))
        found = issuer.register.find(alice.serial)
        assert found is not None
        assert (found.name, found.reason) == ("alice", "keyCompromise")
        issuer.audit()


def test_an_imported_certificate_is_renewed_if_a_profile_matches(tmp_path: Path, clock: Clock) -> None:
    old = root()
    alice, bob = (old.issue(Profile.CLIENT, name, lifetime=30 * DAY) for name in ("alice", "bob"))
    with taken(tmp_path, old, clock) as issuer:
        import_certificates(issuer, list(read_issued(alice.chain_pem, "alice.pem", issuer.authority)))
        clock.at = NOW + DAY
        assert issuer.renew(alice.serial).certificate.subject == alice.certificate.subject
        import_crl(issuer, read_earlier_crl(crl(old, 1, bob.serial), "old.crl", issuer.authority))
        issuer.register.transact("t", NOW, lambda transaction: transaction.release(bob.serial))
        with pytest.raises(NotRenewable, match="was issued elsewhere, with no profile of this CA"):
            issuer.renew(bob.serial)


def test_two_certificates_of_one_serial_number_are_refused(tmp_path: Path, clock: Clock) -> None:
    old = root()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    both = [old.sign(Profile.CLIENT, Holder(name), key, serial=7) for name in ("alice", "bob")]
    with taken(tmp_path, old, clock) as issuer:
        import_certificates(issuer, list(read_issued(pem(both[:1]), "a.pem", issuer.authority)))
        with pytest.raises(
            ImportRefused, match="there are two certificates with the serial number 7; nothing was imported"
        ):
            import_certificates(issuer, list(read_issued(pem(both[1:]), "b.pem", issuer.authority)))
        assert [entry.name for entry in issuer.register.all()] == ["alice"]


def strangers(old: Authority) -> Authority:
    return Authority.create("Old Root", now=lambda: NOW)


def test_certificates_of_another_ca_are_not_imported(tmp_path: Path, clock: Clock) -> None:
    old, other = root(), strangers(root())
    with taken(tmp_path, old, clock) as issuer:
        forged = other.issue(Profile.CLIENT, "mallory").chain_pem
        elsewhere = root("Elsewhere").issue(Profile.CLIENT, "mallory").chain_pem
        for data in (forged, elsewhere):
            with pytest.raises(ImportRefused, match="x.pem: certificate 1: was not issued by this CA"):
                list(read_issued(data, "x.pem", issuer.authority))
        for signer in (other, root("Elsewhere")):
            with pytest.raises(ImportRefused, match="x.crl: was not signed by this CA"):
                read_earlier_crl(crl(signer, 1), "x.crl", issuer.authority)
        with pytest.raises(ImportRefused, match="is not a CRL, or malformed"):
            read_earlier_crl(b"nothing", "x.crl", issuer.authority)
        with pytest.raises(ConfigError, match="neither PEM nor DER"):
            list(read_issued(b"nothing", "x.pem", issuer.authority))
        assert list(issuer.register.all()) == []


def test_the_chain_in_a_holders_file_is_skipped(tmp_path: Path, clock: Clock) -> None:
    old = root().intermediate("Old Issuing CA")
    issued = old.issue(Profile.CLIENT, "alice")
    with taken(tmp_path, old, clock) as issuer:
        whole = issued.chain_pem + old.root_pem
        assert [each.name for each in read_issued(whole, "alice.pem", issuer.authority)] == ["alice"]


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_ca_with_a_key_of_every_type_is_imported(tmp_path: Path, clock: Clock, key_type: KeyType) -> None:
    old = root(key_type=key_type)
    issued = old.issue(Profile.SERVER, dns=("a.example",))
    with taken(tmp_path, old, clock) as issuer:
        assert (
            import_certificates(issuer, list(read_issued(issued.chain_pem, "a.pem", issuer.authority))) == 1
        )
        earlier = read_earlier_crl(crl(old, 3, issued.serial), "old.crl", issuer.authority)
        assert import_crl(issuer, earlier) == 1
        assert client(issuer, "alice")
        issuer.audit()


def test_a_certificate_without_a_matching_profile_is_imported_as_other(tmp_path: Path, clock: Clock) -> None:
    old = root()
    key = ec.generate_private_key(ec.SECP256R1())
    plain_one = unsigned(old, "old thing", key.public_key(), DAY, 5).sign(old.key, hashes.SHA256())  # type: ignore[arg-type]
    below = old.intermediate("Below").certificate
    with taken(tmp_path, old, clock) as issuer:
        import_certificates(issuer, list(read_issued(pem((plain_one, below)), "x.pem", issuer.authority)))
        assert {entry.name: entry.profile for entry in issuer.register.all()} == {
            "old thing": "other", "Below": "sub-ca",
        }  # fmt: skip
        issuer.revoke(5)


def test_a_serial_number_of_more_than_20_bytes_is_refused(tmp_path: Path, clock: Clock) -> None:
    """RFC 5280 4.1.2.2."""
    old = root()
    entry = x509.RevokedCertificateBuilder().serial_number(2**159 - 1).revocation_date(NOW).build()
    made = x509.CertificateRevocationListBuilder(revoked_certificates=[entry])
    made = made.issuer_name(old.certificate.subject).last_update(NOW).next_update(NOW + DAY)
    der = made.sign(old.key, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    with taken(tmp_path, old, clock) as issuer:
        assert import_crl(issuer, read_earlier_crl(der, "x.crl", issuer.authority)) == 1
        for serial in (0, -1, 2**160):
            with pytest.raises(
                ImportRefused,
                match="x: has the serial number .*; it must be positive and at most 20 bytes long",
            ):
                check_serial(serial, "x")


def test_a_delta_or_partial_crl_is_refused(tmp_path: Path, clock: Clock) -> None:
    old = root()
    with taken(tmp_path, old, clock) as issuer:
        for extension, words in (
            (x509.DeltaCRLIndicator(1), "is a delta CRL; a complete CRL is needed"),
            (
                x509.IssuingDistributionPoint(None, None, True, False, None, False, False),
                "does not cover all certificates",
            ),
        ):
            made = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(old.certificate.subject)
                .last_update(NOW)
                .next_update(NOW + DAY)
                .add_extension(extension, critical=True)
                .sign(old.key, hashes.SHA256())  # type: ignore[arg-type]
            )
            with pytest.raises(ImportRefused, match=words):
                read_earlier_crl(made.public_bytes(Encoding.PEM), "x.crl", issuer.authority)


def test_a_too_large_crl_number_is_refused(tmp_path: Path, clock: Clock) -> None:
    old = root()
    with taken(tmp_path, old, clock) as issuer:
        earlier = read_earlier_crl(crl(old, 2**100), "x.crl", issuer.authority)
        with pytest.raises(ImportRefused, match="is larger than"):
            import_crl(issuer, earlier)
        assert issuer.register.check_audit().number == 1


def test_pkcs12_contains_key_and_chain(tmp_path: Path, clock: Clock) -> None:
    top = root()
    old = top.intermediate("Old Issuing CA")
    data = pkcs12.serialize_key_and_certificates(
        b"ca", old.key, old.certificate, [top.certificate], BestAvailableEncryption(b"sesame")  # type: ignore[arg-type]
    )  # fmt: skip
    (tmp_path / "old.p12").write_bytes(data)
    existing = read_existing(tmp_path / "old.p12", None, b"sesame", now=clock)
    assert existing.parents == (top.certificate,)
    with pytest.raises(WrongPassphrase, match="the password is wrong"):
        read_existing(tmp_path / "old.p12", None, b"wrong", now=clock)


def test_an_encrypted_key_needs_its_password(tmp_path: Path, clock: Clock) -> None:
    cert, key = write(tmp_path, root(), b"sesame")
    assert read_existing(cert, key, b"sesame", now=clock)
    for password, words in ((None, "no password was given"), (b"wrong", "the password is wrong")):
        with pytest.raises((PassphraseNeeded, WrongPassphrase), match=words):
            read_existing(cert, key, password, now=clock)


def plain(**extensions: tuple[x509.ExtensionType, bool]) -> Callable[[], Authority]:
    """A self-signed certificate with these extensions alone."""

    def make() -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Old")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + 1000 * DAY)
        )
        for extension, critical in extensions.values():
            builder = builder.add_extension(extension, critical)
        return Authority(builder.sign(key, hashes.SHA256()), key)

    return make


def usage(*allowed: str) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: name in allowed for name in names})


CA = (x509.BasicConstraints(True, None), True)
UNFIT: list[tuple[Callable[[], Authority], str]] = [
    (plain(), "is not a CA certificate: it has no basicConstraints"),
    (
        plain(a=(x509.BasicConstraints(False, None), True)),
        "is not a CA certificate: cA is FALSE in its basicConstraints",
    ),
    (plain(a=CA, b=(usage("digital_signature"), True)), "keyUsage extension lacks keyCertSign"),
    (plain(a=CA, b=(usage("key_cert_sign"), True)), "keyUsage extension lacks cRLSign"),
    (lambda: Authority.create("Old", now=lambda: NOW - 4000 * DAY), "would expire before it becomes valid"),
    (
        lambda: (
            root(lifetime=5000 * DAY).intermediate("A", path_length=0)
            and _below(root().intermediate("A", path_length=0))
        ),
        "certificates that it issues would be refused",
    ),
]


def unsigned(
    authority: Authority, name: str, public: ec.EllipticCurvePublicKey, lifetime: timedelta, serial: int
) -> x509.CertificateBuilder:
    """A certificate that a CA is to sign, which has no more than a name, a key and their identifiers."""
    return (
        x509.CertificateBuilder()
        .issuer_name(authority.certificate.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(authority.key_identifier, False)
    )


def _below(authority: Authority) -> Authority:
    """An authority where none may stand: signed by one whose path length is 0."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        unsigned(authority, "Below", key.public_key(), 100 * DAY, 7)
        .add_extension(*CA)
        .add_extension(usage("key_cert_sign", "crl_sign"), True)
    )
    certificate = builder.sign(authority.key, hashes.SHA256())  # type: ignore[arg-type]
    return Authority(certificate, key, (authority.certificate, *authority.parents))


@pytest.mark.parametrize(("make", "problem"), UNFIT)
def test_a_certificate_that_cannot_issue_is_not_imported(
    tmp_path: Path, clock: Clock, make: Callable[[], Authority], problem: str
) -> None:
    """RFC 5280 4.2.1.3, 4.2.1.9, 6.1."""
    with pytest.raises(AuthorityError, match=problem):
        read_existing(*write(tmp_path, make()), None, now=clock)


def test_a_ca_without_key_usage_or_identifier_is_imported(tmp_path: Path, clock: Clock) -> None:
    with taken(tmp_path, plain(a=CA)(), clock) as issuer:
        assert client(issuer, "alice")
        assert len(issuer.crl()) == 0


def test_a_wrong_key_and_a_missing_root_are_reported(tmp_path: Path, clock: Clock) -> None:
    old = root().intermediate("Old Issuing CA")
    cert, key = write(tmp_path, old)
    cert.write_bytes(pem((old.certificate,)))
    with pytest.raises(ImportRefused, match="the root 'CN=Old Root' is missing"):
        read_existing(cert, key, None, now=clock)
    key.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ConfigError, match="does not belong to the certificate"):
        read_existing(cert, key, None, now=clock)


def test_a_database_with_this_ca_is_not_changed(tmp_path: Path, clock: Clock, url: str) -> None:
    old = root()
    with taken(tmp_path, old, clock, url) as issuer:
        client(issuer, "alice")
        existing = read_existing(*write(tmp_path, old), None, now=clock)
        with pytest.raises(AlreadyExists, match="already has a register of this CA"):
            import_authority(tmp_path / "again", existing, InitOptions("", database_url=url), None, now=clock)
        assert not (tmp_path / "again").exists()
        assert len(issuer.audit()) == 2


def test_crls_are_distinguished_from_certificates() -> None:
    old = root()
    assert is_crl(crl(old, 1))
    assert is_crl(x509.load_der_x509_crl(crl(old, 1)).public_bytes(Encoding.PEM))
    assert not is_crl(old.root_pem)
    assert not is_crl(old.certificate.public_bytes(Encoding.DER))


@pytest.mark.interop
@pytest.mark.parametrize(
    "algorithm", ["EC -pkeyopt ec_paramgen_curve:P-256", "RSA -pkeyopt rsa_keygen_bits:2048"]
)
def test_a_ca_made_by_openssl_is_imported_and_openssl_accepts_what_it_issues(
    tmp_path: Path, clock: Clock, algorithm: str
) -> None:
    openssl = peers.find("openssl")

    def run(words: str) -> str:
        done = subprocess.run(
            [openssl, *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    clock.at = datetime.now(UTC) + timedelta(minutes=1)
    run(f"genpkey -algorithm {algorithm} -out old.key")
    run("req -x509 -new -key old.key -subj /O=Example/CN=Old -days 365 -out old.pem "
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    import_authority(
        tmp_path / "ca",
        read_existing(tmp_path / "old.pem", tmp_path / "old.key", None, now=clock),
        TERMS, None, now=clock,
    )  # fmt: skip
    with Issuer.open(tmp_path / "ca", None, now=clock) as issuer:
        issued = issuer.issue(Profile.CLIENT, Holder("alice"), key_type=KeyType.P256)
        (tmp_path / "leaf.pem").write_bytes(issued.chain_pem)
        (tmp_path / "crl.pem").write_bytes(issuer.crls_pem())
        at = int(clock.at.timestamp()) + 60
        assert "OK" in run(
            f"verify -x509_strict -crl_check -attime {at} -CRLfile crl.pem -CAfile old.pem leaf.pem"
        )
