"""Who takes part in the catalogue: identities as files, each with what is said of it in its name.

Other people's programs read this machine's clock, so all is valid around now, but what says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import pki
from bothways import Credentials, TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from pki import DAY, Issued

NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = {"not_before": NOW - 30 * DAY, "not_after": NOW + 90 * DAY}
PAST = {"not_before": NOW - 90 * DAY, "not_after": NOW - 2 * DAY}
FUTURE = {"not_before": NOW + 20 * DAY, "not_after": NOW + 90 * DAY}
FRESH = {"not_before": NOW - timedelta(hours=1), "not_after": NOW + 90 * DAY}
CA = {"not_before": NOW - 300 * DAY, "not_after": NOW + 900 * DAY}
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


@cache
def root(name: str = "Acme Root") -> Issued:
    return pki.root(name, **CA)


@cache
def issuing() -> Issued:
    return pki.intermediate(root(), "Acme Issuing 1", **CA)


@cache
def stranger() -> Issued:
    return pki.intermediate(root("Globex Root"), "Globex Issuing 7", **CA)


@cache
def old_root() -> Issued:
    """A root with an RSA key, which can sign with SHA-1."""
    return pki.root("Acme Old Root", key_kind="RSA-2048", **CA)


@cache
def anew() -> Issued:
    """Acme's root made again: the same name, another key."""
    return pki.root("Acme Root", own_key=pki.key("P-256", 4711), **CA)


@cache
def shallow() -> Issued:
    """A CA below one that allows none below itself."""
    upper = pki.intermediate(root(), "Acme Shallow", path_length=0, **CA)
    return pki.intermediate(upper, "Acme Deep", **CA)


@cache
def outlived() -> Issued:
    """A CA that has expired, below one that has not."""
    return pki.intermediate(root(), "Acme Issuing 0", **PAST)


@cache
def expired_root() -> Issued:
    """A root that has expired, above a CA that has not."""
    return pki.root("Acme Root 2016", own_key=pki.key("P-256", 2016), **PAST)


@cache
def early_root() -> Issued:
    """A root that is not valid yet, above a CA that is."""
    return pki.root("Acme Root 2030", own_key=pki.key("P-256", 2030), **FUTURE)


@cache
def timely_root() -> Issued:
    """The root that is not valid yet, with its key certified for now."""
    return pki.root("Acme Root 2030", own_key=pki.key("P-256", 2030), **CA)


@cache
def renewed_root() -> Issued:
    """The root that has expired, with its key certified again."""
    return pki.root("Acme Root 2016", own_key=pki.key("P-256", 2016), **CA)


@cache
def below_the_expired() -> Issued:
    return pki.intermediate(expired_root(), "Acme Issuing 3", **CA)


def unnamed_keys(key: Any = None) -> Issued:
    """A CA whose certificates name no keys."""
    own_key = key or pki.key("P-256", 96)
    return pki.intermediate(root(), "Acme Issuing 8", own_key=own_key, key_identifiers=False, **CA)


@cache
def second() -> Issued:
    """A CA below a CA below the root."""
    return pki.intermediate(pki.intermediate(root(), "Acme Policy", **CA), "Acme Issuing 4", **CA)


@cache
def holder() -> Issued:
    """Somebody whom Acme certified, and who is not a CA."""
    return pki.leaf(root(), "Acme Employee", alternatives=(), usage=None, **CA)


@cache
def disowned() -> Issued:
    """A CA that the root has revoked."""
    return pki.intermediate(root(), "Acme Issuing 5", serial=0x5E70ED, **CA)


@cache
def narrow() -> Issued:
    """A CA that may issue for acme.example alone."""
    permitted = x509.NameConstraints([x509.DNSName("acme.example")], None)
    return pki.intermediate(root(), "Acme Narrow", extra=[(permitted, True)], **CA)


def server(by: Issued | None = None, **options: object) -> Issued:
    chosen = {"alternatives": ("DNS:localhost", "IP:127.0.0.1"), "usage": ("serverAuth",), **SPAN} | options
    return pki.leaf(issuing() if by is None else by, "localhost", **chosen)


def client(by: Issued | None = None, name: str = "ada", **options: object) -> Issued:
    chosen = {"alternatives": (), "usage": ("clientAuth",), **SPAN} | options
    return pki.leaf(issuing() if by is None else by, name, **chosen)


@dataclass(frozen=True)
class Person:
    """A certificate, its key, and what is sent along with it."""

    issued: Issued
    chain: bytes

    @property
    def credentials(self) -> Credentials:
        return Credentials.from_pem(self.chain, self.issued.key_pem)


def whole(issued: Issued) -> Person:
    return Person(issued, issued.chain_pem)


def alone(issued: Issued) -> Person:
    """The leaf without its intermediate."""
    return Person(issued, issued.pem)


def beside(issued: Issued, other: Issued) -> Person:
    """The leaf with a certificate that did not issue it."""
    return Person(issued, issued.pem + other.pem)


def with_root(issued: Issued) -> Person:
    return Person(issued, issued.chain_pem + issued.above[-1].pem)


TRANSPORT = {"key_kind": "RSA-2048", "key_usage": ("digital_signature", "key_encipherment")}
PEOPLE: dict[str, Callable[[], Person]] = {
    "server": lambda: whole(server()),
    "server-acme": lambda: whole(server(root(), alternatives=("DNS:acme.example",))),
    "server-names": lambda: whole(server(alternatives=("DNS:localhost", "DNS:acme.example"))),
    "server-rsa": lambda: whole(server(**TRANSPORT)),
    "server-unknown": lambda: whole(server(stranger())),
    "server-with-root": lambda: with_root(server(stranger())),
    "server-alone": lambda: alone(server()),
    "server-self-signed": lambda: alone(
        pki.leaf(None, "localhost", ca=None, alternatives=("DNS:localhost",), **SPAN)
    ),
    "server-anew": lambda: whole(server(anew())),
    "server-sandbox": lambda: whole(server(root("Acme Sandbox Root"))),
    "server-expired": lambda: whole(server(**PAST)),
    "server-elsewhere-expired": lambda: whole(server(alternatives=("DNS:elsewhere.example",), **PAST)),
    "server-of-an-expired-root": lambda: whole(server(below_the_expired())),
    "server-other-intermediate": lambda: beside(server(), pki.intermediate(root(), "Acme Issuing 2", **CA)),
    "server-old-intermediate": lambda: beside(
        server(), pki.intermediate(root(), "Acme Issuing 1", own_key=pki.key("P-256", 99), **CA)
    ),
    "server-foreign-intermediate": lambda: beside(server(), stranger()),
    "server-root-alone": lambda: beside(server(), root()),
    "server-unnamed-keys": lambda: beside(
        server(unnamed_keys(), key_identifiers=False), unnamed_keys(pki.key("P-256", 97))
    ),
    "server-of-an-early-root": lambda: whole(server(pki.intermediate(early_root(), "Acme Issuing 6", **CA))),
    "server-below-a-ca-for-clients": lambda: whole(
        server(pki.intermediate(root(), "Acme Clients", usage=("clientAuth",), **CA))
    ),
    "server-of-a-wildcard": lambda: whole(server(alternatives=("DNS:*.acme.example",))),
    "client-that-is-a-ca": lambda: whole(pki.intermediate(issuing(), "ada", **CA)),
    "server-inspected": lambda: whole(server(root("Fortinet CA SSL Inspection"))),
    "server-misused-elsewhere": lambda: whole(
        server(usage=("clientAuth",), alternatives=("DNS:elsewhere.example",))
    ),
    "server-early": lambda: whole(server(**FUTURE)),
    "server-for-clients": lambda: whole(server(usage=("clientAuth",))),
    "server-elsewhere": lambda: whole(server(alternatives=("DNS:elsewhere.example",))),
    "server-common-name": lambda: whole(server(alternatives=())),
    "server-weak": lambda: whole(server(key_kind="RSA-1024")),
    "server-sha1": lambda: whole(server(old_root(), digest="SHA1", key_kind="RSA-2048")),
    "server-of-the-old-root": lambda: whole(server(old_root(), key_kind="RSA-2048")),
    "server-must-staple": lambda: whole(server(extra=[(MUST_STAPLE, False)])),
    "server-deep": lambda: whole(server(shallow())),
    "server-outside": lambda: whole(server(narrow())),
    "server-of-an-expired-ca": lambda: whole(server(outlived())),
    "server-of-no-ca": lambda: whole(server(holder())),
    "server-strange": lambda: whole(server(extra=[(STRANGE, True)])),
    "server-for-agreement": lambda: whole(server(key_usage=("key_agreement",))),
    "server-with-a-list": lambda: whole(server(extra=[pki.points("URI:http://127.0.0.1:9/acme.crl")])),
    "server-revoked": lambda: whole(server(serial=0x7E70ED)),
    "server-altered": lambda: whole(server(broken=True)),
    "client": lambda: whole(client()),
    "client-rsa": lambda: whole(client(key_kind="RSA-2048")),
    "client-unknown": lambda: whole(client(stranger())),
    "client-alone": lambda: alone(client()),
    "client-self-signed": lambda: alone(pki.leaf(None, "ada", ca=None, alternatives=(), **SPAN)),
    "client-anew": lambda: whole(client(anew(), key_identifiers=False)),
    "client-sandbox": lambda: whole(client(root("Acme Sandbox Root"))),
    "client-expired": lambda: whole(client(**PAST)),
    "client-unknown-expired": lambda: whole(client(stranger(), **PAST)),
    "client-expired-for-servers": lambda: whole(client(usage=("serverAuth",), **PAST)),
    "client-of-an-expired-root": lambda: whole(client(below_the_expired())),
    "client-three": lambda: whole(client(second())),
    "client-of-a-root": lambda: whole(client(root("Globex Root"))),
    "client-early": lambda: whole(client(**FUTURE)),
    "client-fresh": lambda: whole(client(**FRESH)),
    "client-for-servers": lambda: whole(client(usage=("serverAuth",))),
    "client-sha1": lambda: whole(client(old_root(), digest="SHA1", key_kind="RSA-2048")),
    "client-of-an-expired-ca": lambda: whole(client(outlived())),
    "client-weak": lambda: whole(client(key_kind="RSA-1024")),
    "client-ed25519": lambda: whole(client(key_kind="Ed25519")),
    "client-deep": lambda: whole(client(shallow())),
    "client-revoked": lambda: whole(client(serial=0x0E70ED)),
    "client-of-a-revoked-ca": lambda: whole(client(disowned())),
    "client-lasting": lambda: whole(client(**CA)),
    "client-production": lambda: whole(client(root("Acme Production Root"))),
    "client-of-the-old-root": lambda: whole(client(old_root(), key_kind="RSA-2048")),
    "client-bob": lambda: whole(client(name="bob")),
    "client-second": lambda: whole(client(root("Initech Root"), name="ada")),
}


@cache
def person(name: str) -> Person:
    return PEOPLE[name]()


def anchors(*names: str) -> TrustStore:
    """Whom we trust: Acme's root, or the CAs named."""
    return TrustStore([root(name).der for name in names or ("Acme Root",)])


def crls(*more: bytes) -> CRLStore:
    """Acme's lists, the root's too."""
    return CRLStore(map(CRL, (crl(), *(more or (root_crl(),)))))


def crl() -> bytes:
    """Acme's list: two are revoked."""
    revoked = [(person(name).issued, "key_compromise") for name in ("server-revoked", "client-revoked")]
    times = {"this_update": NOW - DAY, "next_update": NOW + 7 * DAY}
    return pki.crl(issuing(), *revoked, **times)


def root_crl(next_update: datetime = NOW + 7 * DAY) -> bytes:
    return pki.crl(root(), this_update=NOW - 10 * DAY, next_update=next_update)


def write_person(folder: Path, name: str, someone: Person) -> None:
    """Write an identity: NAME.pem with its chain, NAME.key, NAME.both with both."""
    (folder / f"{name}.pem").write_bytes(someone.chain)
    (folder / f"{name}.key").write_bytes(someone.issued.key_pem)
    (folder / f"{name}.key").chmod(0o600)
    (folder / f"{name}.both").write_bytes(someone.chain + someone.issued.key_pem)


def write(folder: Path) -> None:
    """Write every identity: NAME.pem with its chain, NAME.key, and what programs trust."""
    for name in PEOPLE:
        write_person(folder, name, person(name))
    (folder / "root.pem").write_bytes(root().pem)
    for name in ("server", "client"):
        public = person(name).issued.key.public_key()
        (folder / f"{name}.pub").write_bytes(
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    (folder / "old-root.pem").write_bytes(old_root().pem)
    (folder / "issuing.pem").write_bytes(issuing().pem)
    (folder / "expired-root.pem").write_bytes(expired_root().pem)
    (folder / "renewed-root.pem").write_bytes(renewed_root().pem)
    (folder / "timely-root.pem").write_bytes(timely_root().pem)
    # Whose CA a server's is, that we do not trust: somebody has to tell us, or to hand us the certificate.
    others = [root("Globex Root"), root("Acme Sandbox Root"), anew(), person("server-self-signed").issued]
    (folder / "others.pem").write_bytes(b"".join(each.pem for each in others))
    (folder / "users").write_text("ada:{PLAIN}secret\n")
    (folder / "rules").write_text("user nobody\ntopic read nothing\n")
    (folder / "production.pem").write_bytes(root("Acme Production Root").pem)
    write_lists(folder)


def write_lists(folder: Path) -> None:
    """Write CRLs: of Acme's two CAs, one that has expired, and of all CAs with one of them revoked."""
    times = {"this_update": NOW - DAY, "next_update": NOW + 7 * DAY}
    old = pki.crl(issuing(), this_update=NOW - 20 * DAY, next_update=NOW - 3 * DAY)
    roots = pki.crl(root(), (disowned(), "ca_compromise"), **times)
    for name, lists in (
        ("crl.pem", (crl(), root_crl())),
        ("expired-crl.pem", (old,)),
        ("all-crls.pem", (crl(), roots, pki.crl(disowned(), **times))),
    ):
        found = [x509.load_der_x509_crl(each) for each in lists]
        (folder / name).write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in found))
