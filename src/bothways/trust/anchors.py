"""Whom we trust to vouch for others: a set of anchors, and the memory of signatures that led to them.

An anchor is a certificate, a root's or an intermediate's, and is held to what it says. The memory knows
signature edges alone (this certificate was signed by that key), each seen on a path that ended here, and
the certificates on such paths, taken apart: what they say, never what was thought of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust import files, pem
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.issuers import Namesakes
from bothways.trust.verdict import PROFILES, Profile, Purpose
from bothways.trust.watched import Renewed

REMEMBERED_PATHS = 1024
REMEMBERED_CERTIFICATES = 256

Edge = tuple[bytes, bytes]
K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `size` things: when half of them are new, those from before are forgotten.

    Threads share it: every step is a single operation on a dictionary.
    """

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, size: int) -> None:
        self._half = -(-size // 2)
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        """Return what was kept under `key`, while it is."""
        return self._new.get(key) or self._old.get(key)

    def keep(self, key: K, value: V) -> None:
        """Keep what is not kept yet."""
        if self._half and key not in self._new and key not in self._old:
            if len(self._new) >= self._half:
                self._old, self._new = self._new, {}
            self._new[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._new, self._old = {}, {}


class TrustStore:
    """The anchors of one side, immutable; share it between configurations to share its memory.

    remember_paths: how many signature edges are remembered at most; 0 remembers none.  profile: "private"
    judges by RFC 5280 with the tolerance that private PKIs need, "web" judges servers by what public web
    certificates must be (docs/defaults.md); whom it judges as a client it judges by the private one.
    Attributes: `subjects`, the anchors' names in DER, each once, as certificate_authorities carries them (RFC 9846
    4.3.4), and `subjects_octets`, how long they are together.
    """

    generation = 0  # of one that is watched, it rises with each change

    @property
    def current(self) -> TrustStore:
        """The anchors of this moment: these, or of a store that is watched those that its file holds."""
        return self

    def __init__(
        self,
        certificates: Iterable[bytes],
        *,
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
        source: str = "anchors",
    ) -> None:
        """Take anchors as DER; `source` names them in a ConfigError for one that cannot be read."""
        if profile not in PROFILES:
            raise ConfigError(f"profile: {profile!r} is no profile; expected {' or '.join(PROFILES)}")
        if remember_paths < 0:
            raise ConfigError("remember_paths: expected a number of signatures, or 0 to remember none")
        self._anchors: dict[bytes, ParsedCertificate] = {}
        for number, der in enumerate(certificates, 1):
            what = f"{source}: certificate {number}"
            self._anchors.setdefault(der, _readable(pem.given(der, what), what))
        if not self._anchors:
            raise ConfigError(
                f"{source}: no certificate in it; expected the certificates of CAs, as PEM or DER"
            )
        self._by_name: dict[bytes, Namesakes] = {}
        for anchor in self._anchors.values():
            self._by_name.setdefault(anchor.normal_subject, Namesakes()).add(anchor)
        self._by_der = {
            anchor.subject: self._by_name[anchor.normal_subject] for anchor in self._anchors.values()
        }
        self.subjects = tuple(self._by_der)
        self.subjects_octets = sum(map(len, self.subjects))
        self.profile: Profile = profile
        self.remembers_paths = remember_paths > 0
        self._digest: bytes | None = None
        self._edges: Recent[Edge, bool] = Recent(remember_paths)
        self._certificates: Recent[bytes, ParsedCertificate] = Recent(
            min(remember_paths, REMEMBERED_CERTIFICATES)
        )

    @classmethod
    def from_file(
        cls, path: files.FilePath, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private"
    ) -> TrustStore:
        """Read anchors from a file: any number of PEM certificates, or one in DER. Raises ConfigError."""
        return cls._read(files.content(path), str(path), remember_paths, profile)

    @classmethod
    def watched(
        cls, path: files.FilePath, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private"
    ) -> WatchedTrustStore:
        """Read anchors from a file as `from_file` does, and again whenever it changes. Raises ConfigError.

        Connections that begin then are judged by the new anchors, and open ones again where a configuration says
        `judge_again="change"`. A file that cannot be read whole changes nothing, and the log says why.
        """

        def make(contents: Sequence[bytes]) -> TrustStore:
            return cls._read(contents[0], str(path), remember_paths, profile)

        return WatchedTrustStore(Renewed((path,), make))

    @classmethod
    def from_pem(
        cls, data: bytes, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private"
    ) -> TrustStore:
        """Take anchors from bytes: any number of PEM certificates, or one in DER. Raises ConfigError."""
        return cls._read(pem.given(data, "anchors"), "anchors", remember_paths, profile)

    @classmethod
    def from_certificates(
        cls,
        certificates: Iterable[x509.Certificate],
        *,
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
    ) -> TrustStore:
        """Take anchors that `cryptography` has parsed. Raises ConfigError."""
        ders = [each.public_bytes(Encoding.DER) for each in certificates]
        return cls(ders, remember_paths=remember_paths, profile=profile)

    @classmethod
    def system(cls, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private") -> TrustStore:
        """Trust whom this system trusts: SSL_CERT_FILE if set, or its own file. Raises ConfigError."""
        return cls.from_file(files.system_bundle(), remember_paths=remember_paths, profile=profile)

    @classmethod
    def _read(cls, data: bytes, source: str, remember_paths: int, profile: Profile) -> TrustStore:
        ders = certificates_in(data, source)
        return cls(ders, remember_paths=remember_paths, profile=profile, source=source)

    def profile_for(self, purpose: Purpose | None) -> Profile:
        """Return by which rules a certificate is judged for a purpose: the web profile is for servers alone."""
        return self.profile if purpose is Purpose.SERVER else "private"

    @property
    def digest(self) -> bytes:
        """A SHA-256 by which two stores can be told apart, in whatever process: of the anchors and the profile."""
        store = self.current
        if store._digest is None:
            each = sorted(sha256(der).digest() for der in store._anchors)
            store._digest = sha256(b"".join([store.profile.encode(), b"\0", *each])).digest()
        return store._digest

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The anchors."""
        return tuple(anchor.x509 for anchor in self._anchors.values())

    @property
    def names_for_people(self) -> tuple[str, ...]:
        """The first few anchors' names."""
        few = [each.subject_text for each in list(self._anchors.values())[:3]]
        return (*few, f"{len(self) - 3} more") if len(self) > 3 else tuple(few)

    def __len__(self) -> int:
        return len(self._anchors)

    def __repr__(self) -> str:
        by = "" if self.profile == "private" else f", {self.profile} profile"
        return f"<TrustStore of {len(self)}{by}: {shown(self.names_for_people)}>"

    def issuers_of(self, certificate: ParsedCertificate) -> Sequence[ParsedCertificate]:
        """Return the anchors whose name is the certificate's issuer (RFC 5280 7.1), the likeliest first.

        Of several, those whose key it does not name are left out where it names the key of another (4.2.1.1).
        """
        found = self._by_der.get(certificate.issuer) or self._by_name.get(certificate.normal_issuer)
        return () if found is None else found.issuers_of(certificate)

    def own(self, certificate: ParsedCertificate) -> ParsedCertificate | None:
        """Return the anchor that is this very certificate."""
        return self._anchors.get(certificate.der)

    def remembers(self, edge: Edge) -> bool:
        """Whether a signature (digest of a certificate, digest of the signer's key) is known to hold."""
        return self._edges.find(edge) is not None

    def parsed(self, der: bytes) -> ParsedCertificate:
        """Take a certificate apart, unless it is remembered; ValueError if it cannot be read."""
        return self._certificates.find(der) or ParsedCertificate(der)

    def remember(self, edge: Edge, child: ParsedCertificate) -> None:
        """Remember a signature of a path that ended at one of our anchors, and the certificate signed by it."""
        self._edges.keep(edge, True)
        self._certificates.keep(child.der, child)

    def forget_paths(self) -> None:
        """Forget every signature and certificate remembered."""
        self._edges.clear()
        self._certificates.clear()


class WatchedTrustStore(TrustStore):
    """The anchors in a file that may change. Make it with `TrustStore.watched`."""

    def __init__(self, renewed: Renewed[TrustStore]) -> None:
        self._renewed = renewed

    @property
    def current(self) -> TrustStore:
        """What the file holds, as far as it could be taken."""
        return self._renewed.value

    @property
    def generation(self) -> int:  # type: ignore[override]
        """How many changes were taken."""
        return self._renewed.generation

    def __getattr__(self, name: str) -> Any:
        """Return what the anchors of this moment have."""
        if name == "_renewed" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.current, name)


def certificates_in(data: bytes, source: str) -> list[bytes]:
    """Return the DER of the certificates in PEM or DER bytes; ConfigError names `source`."""
    found = pem.blocks(data)
    if not found:
        if data[:1] == b"\x30":
            return [bytes(data)]
        raise ConfigError(
            f"{source}: neither PEM nor DER; expected certificates (-----BEGIN CERTIFICATE-----)"
        )
    certificates = []
    for label, block in found:
        if label in pem.CERTIFICATE_LABELS:
            try:
                certificates.append(pem.body(block))
            except ValueError as error:
                raise ConfigError(
                    f"{source}: certificate {len(certificates) + 1} cannot be read: {error}"
                ) from None
    return certificates


def _readable(der: bytes, what: str) -> ParsedCertificate:
    try:
        anchor = ParsedCertificate(der)
        anchor.load()
    except ValueError as error:
        raise ConfigError(f"{what} cannot be parsed: {shown(error)}") from None
    return anchor
