"""A CA for one test and the identities that it issues; each kind has exactly the defect in its name.

Everything is also written to files, so that programs with any TLS library can be tested. The clock is the machine's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, cast, get_args

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs12

from bothways.ca.authority import Authority, Issued
from bothways.ca.crl import RevokedEntry, build_crl
from bothways.ca.profiles import Profile
from bothways.errors import ConfigError
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.own_identity.credentials import Credentials

Kind = Literal["good", "expired", "revoked", "wrong_name", "unknown_ca", "expires_soon"]
Role = Literal["server", "client"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ROLES: tuple[Role, ...] = get_args(Role)

PASSWORD = "testing"
# Everybody knows the password, so that more iterations would protect nothing, and tests make many files.
_ENCRYPTION = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1000).build(PASSWORD.encode())
CA_LIFETIME = timedelta(days=90)
LIFETIMES: dict[Kind, timedelta] = {"expired": timedelta(days=1), "expires_soon": timedelta(hours=1)}
LIFETIME = timedelta(days=30)
OWNER_ONLY = 0o600  # PostgreSQL and others refuse a key that others can read
_PROFILES = {"server": Profile.SERVER, "client": Profile.CLIENT}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a certificate: DNS names, IP addresses and URIs."""

    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()


NAMES: dict[Role, Names] = {
    "server": Names(dns=("localhost",), ip=("127.0.0.1", "::1")),
    "client": Names(dns=("client.example",), uri=("spiffe://testing.example/client",)),
}
WRONG_NAMES: dict[Role, Names] = {
    "server": Names(dns=("wrong.example",)),
    "client": Names(dns=("wrong.example",), uri=("spiffe://wrong.example/client",)),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its private key, as files and as credentials.

    Attributes: `role`, `kind`; the files `cert` (PEM: the certificate, then the intermediate CA), `key` (PEM without a
    passphrase), `pem` (both in one) and `p12` (PKCS#12 with the passphrase `password`); `credentials` for a
    configuration.
    """

    role: Role
    kind: Kind
    cert: Path
    key: Path
    pem: Path
    p12: Path
    credentials: Credentials = field(repr=False)
    password: str = field(default=PASSWORD, repr=False)

    @property
    def serial(self) -> int:
        """The serial number of the certificate."""
        return self.credentials.certificate.serial_number


class Identities:
    """A root CA, an intermediate CA that issues, and their CRLs, all in one folder.

    Attributes: the files `ca` (the root, PEM) and `crl` (the CRLs of both CAs, PEM), and the same as `anchors` and
    `crls`, which the configurations share. Several threads may use it.
    """

    def __init__(self, folder: Path) -> None:
        self._one_at_a_time = threading.RLock()
        self._folder = folder
        self._start = datetime.now(UTC).replace(microsecond=0)
        self._root, self._issuing = self._authorities("Testing Root", "Testing CA")
        self._kept: dict[tuple[Role, Kind], Identity] = {}
        self._revoked: list[RevokedEntry] = []
        self._count = 0
        self.ca = self._written("ca.pem", self._root.root_pem)
        self.crl = folder / "crl.pem"
        self.anchors = TrustStore.from_pem(self._root.root_pem)
        self.crls = CRLStore()
        for role in ROLES:
            self._revoked.append(
                RevokedEntry(self.identity(role, "revoked").serial, self._start, "keyCompromise")
            )
        self._publish()

    def identity(
        self,
        role: Role,
        kind: Kind = "good",
        *,
        dns: Iterable[str] = (),
        ip: Iterable[str] = (),
        uri: Iterable[str] = (),
        lifetime: timedelta | None = None,
    ) -> Identity:
        """Return a server's or client's identity of one kind; the same object again for the same kind and role.

        dns, ip, uri: names instead of the default ones.  lifetime: how long it is valid from now on. With any of these
        a new certificate is issued. Raises ConfigError for an unknown role or kind.
        """
        _check(role, kind)
        asked = Names(tuple(dns), tuple(ip), tuple(uri))
        with self._one_at_a_time:
            if asked == Names() and lifetime is None:
                if (role, kind) not in self._kept:
                    self._kept[role, kind] = self._issue(role, kind, self._names(role, kind), None)
                return self._kept[role, kind]
            made = self._issue(role, kind, self._names(role, kind) if asked == Names() else asked, lifetime)
            if kind == "revoked":
                self.revoke(made)
            return made

    def revoke(self, identity: Identity) -> None:
        """Revoke an identity now: the file `crl` is rewritten, and `crls` has the new CRL."""
        with self._one_at_a_time:
            self._revoked.append(RevokedEntry(identity.serial, self._start, "keyCompromise"))
            self._publish()

    @cached_property
    def _unknown(self) -> Authority:
        """The CA that nobody trusts; few tests have an identity of it."""
        return self._authorities("Unknown Root", "Unknown CA")[1]

    def _authorities(self, root: str, issuing: str) -> tuple[Authority, Authority]:
        """Create a root and an intermediate CA that are valid since before the certificates that they issue."""
        before = self._start - CA_LIFETIME
        top = Authority.create(root, now=lambda: before, lifetime=2 * CA_LIFETIME)
        return top, top.intermediate(issuing, lifetime=2 * CA_LIFETIME)

    @staticmethod
    def _names(role: Role, kind: Kind) -> Names:
        return (WRONG_NAMES if kind == "wrong_name" else NAMES)[role]

    def _issue(self, role: Role, kind: Kind, names: Names, lifetime: timedelta | None) -> Identity:
        authority = self._unknown if kind == "unknown_ca" else self._issuing
        life = LIFETIMES.get(kind, LIFETIME) if lifetime is None else lifetime
        # Expired certificates ended an hour ago, so that no clock skew makes them valid.
        start = self._start - life - timedelta(hours=1) if kind == "expired" else datetime.now(UTC)
        issued = authority.issue(
            _PROFILES[role],
            f"{kind} {role}",
            dns=names.dns,
            ip=names.ip,
            uri=names.uri,
            lifetime=life,
            at=start,
        )
        return self._on_disk(role, kind, issued)

    def _on_disk(self, role: Role, kind: Kind, issued: Issued) -> Identity:
        self._count += 1
        stem = f"{role}-{kind}-{self._count}"
        return Identity(
            role,
            kind,
            self._written(f"{stem}.pem", issued.chain_pem),
            self._written(f"{stem}.key", issued.key_pem, OWNER_ONLY),
            self._written(f"{stem}-both.pem", issued.chain_pem + issued.key_pem, OWNER_ONLY),
            self._written(f"{stem}.p12", _pkcs12(issued, stem), OWNER_ONLY),
            issued.credentials,
        )

    def _publish(self) -> None:
        """Write the CRLs of both CAs, with increasing CRL numbers."""
        number = len(self._revoked)
        until = self._start + CA_LIFETIME
        lists = [
            build_crl(self._root, (), number, self._start, until),
            build_crl(self._issuing, self._revoked, number, self._start, until),
        ]
        self._written("crl.pem", b"".join(each.public_bytes(Encoding.PEM) for each in lists))
        for each in lists:
            self.crls.add(CRL(each.public_bytes(Encoding.DER)))

    def _written(self, name: str, content: bytes, mode: int = 0o666) -> Path:
        """Write a file whole, so that a program that watches it never reads a part of it."""
        path, part = self._folder / name, self._folder / f".{name}.part"
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
        part.replace(path)
        return path


def _pkcs12(issued: Issued, name: str) -> bytes:
    key, chain = cast(EllipticCurvePrivateKey, issued.key), list(issued.intermediates)
    return pkcs12.serialize_key_and_certificates(name.encode(), key, issued.certificate, chain, _ENCRYPTION)


def _check(role: str, kind: str) -> None:
    if role not in ROLES:
        raise ConfigError(f"role: {role!r} is none; expected {' or '.join(ROLES)}")
    if kind not in KINDS:
        raise ConfigError(f"kind: {kind!r} is none; expected one of {', '.join(KINDS)}")
