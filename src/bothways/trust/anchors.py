"""A set of trust anchors, and a cache of the signatures that led to them.

A trust anchor is a certificate of a root or an intermediate CA, and its own constraints apply. The cache contains
only signatures (this certificate was signed by that key) of paths that ended at one of these trust anchors, and
the parsed certificates of such paths: no verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.arguments import several, whole
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust import files
from bothways.trust.certificate.files import (
    certificates_in,
    exact_certificates_in,
    readable_by_der,
    without_certificate,
)
from bothways.trust.certificate.issuers import SameSubject
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import pem
from bothways.trust.verdict import PROFILES, Profile, Purpose
from bothways.trust.watched import Renewed, Replaceable

REMEMBERED_PATHS = 1024
REMEMBERED_CERTIFICATES = 256

Edge = tuple[bytes, bytes]
K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A cache of at most `size` entries: when half of them are new, the older ones are dropped.

    Threads may share it: every step is a single operation on a dictionary.
    """

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, size: int) -> None:
        self._half = -(-size // 2)
        self._new: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        """Return the entry of `key`, or None."""
        return self._new.get(key) or self._old.get(key)

    def keep(self, key: K, value: V) -> None:
        """Add an entry, unless there is one."""
        if self._half and key not in self._new and key not in self._old:
            if len(self._new) >= self._half:
                self._old, self._new = self._new, {}
            self._new[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._new, self._old = {}, {}


class TrustStore:
    """The trust anchors of one side, immutable. Configurations that share a store share its cache.

    certificates: the trust anchors in DER.  source: their name in errors.  exact: certificates of peers, in DER, each
    of which is trusted whoever issued it; certificates that it has signed are not trusted.
    remember_paths: the number of verified signatures that are cached at most; 0 caches none.  profile: "private"
    verifies by RFC 5280 with the tolerance that private PKIs need, "web" verifies servers by the rules for public web
    certificates (docs/defaults.md), and clients as "private" does.
    Attributes: `subjects`, the names of the trust anchors in DER, each once, as in certificate_authorities (RFC 9846
    4.3.4), and `subjects_octets`, their total length in bytes. Raises ConfigError.
    """

    generation = 0  # of a watched store it rises with each change

    @property
    def current(self) -> TrustStore:
        """The current trust anchors: these, or of a watched store those that its file contains now."""
        return self

    def __init__(
        self,
        certificates: Iterable[bytes],
        *,
        exact: Iterable[bytes] = (),
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
        source: str = "anchors",
    ) -> None:
        """Take trust anchors in DER; `source` names them in a ConfigError for one that cannot be decoded."""
        if profile not in PROFILES:
            raise ConfigError(f"profile: {profile!r} is not a profile; expected {' or '.join(PROFILES)}")
        remember_paths = whole("remember_paths", remember_paths)
        if remember_paths < 0:
            raise ConfigError("remember_paths: expected a number of signatures, or 0 to remember none")
        issuers = readable_by_der(certificates, source)
        self._exact = readable_by_der(exact, "exact" if source == "anchors" else source)
        self._anchors = issuers | self._exact
        self._check_not_empty(source)
        self._by_name: dict[bytes, SameSubject] = {}
        for anchor in issuers.values():
            self._by_name.setdefault(anchor.normal_subject, SameSubject()).add(anchor)
        self._by_der = {anchor.subject: self._by_name[anchor.normal_subject] for anchor in issuers.values()}
        self.subjects = tuple(self._by_der | {each.issuer: None for each in self._exact.values()})
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
        cls,
        path: files.FilePath | None,
        *,
        exact: files.FilePath | None = None,
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
    ) -> TrustStore:
        """Read trust anchors from files. Raises ConfigError.

        path: of any number of PEM certificates, or one in DER; None where there is only `exact`.  exact: such a file
        with certificates of peers.  remember_paths, profile: see `TrustStore`.
        """
        return cls._reader(path, exact, remember_paths, profile).first()

    @classmethod
    def watched(
        cls,
        path: files.FilePath | None,
        *,
        exact: files.FilePath | None = None,
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
    ) -> WatchedTrustStore:
        """Read trust anchors from files as `from_file` does, and again whenever one changes. Raises ConfigError.

        Connections that begin afterwards are verified by the new anchors, and open ones again where a configuration has
        `judge_again="change"`. A file that cannot be decoded completely changes nothing, and the log says why; a later
        file of `exact` that is empty trusts none of its peers any more.
        """
        reader = cls._reader(path, exact, remember_paths, profile)
        return WatchedTrustStore(Renewed(reader.paths, reader))

    @classmethod
    def _reader(
        cls, path: files.FilePath | None, exact: files.FilePath | None, remember_paths: int, profile: Profile
    ) -> _Reader:
        if path is None and exact is None:
            raise ConfigError("anchors: expected a file, of trust anchors or of exact certificates")

        def make(ders: Sequence[bytes], theirs: Sequence[bytes], source: str) -> TrustStore:
            return cls(ders, exact=theirs, remember_paths=remember_paths, profile=profile, source=source)

        return _Reader(path, exact, make)

    @classmethod
    def from_pem(
        cls, data: bytes, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private"
    ) -> TrustStore:
        """Take trust anchors from bytes. Raises ConfigError.

        data: any number of PEM certificates, or one in DER.  remember_paths, profile: see `TrustStore`.
        """
        return cls._read(pem.require_bytes(data, "anchors"), "anchors", remember_paths, profile)

    @classmethod
    def from_certificates(
        cls,
        certificates: Iterable[x509.Certificate],
        *,
        remember_paths: int = REMEMBERED_PATHS,
        profile: Profile = "private",
    ) -> TrustStore:
        """Take trust anchors that `cryptography` has parsed. Raises ConfigError.

        certificates: the trust anchors.  remember_paths, profile: see `TrustStore`.
        """
        parsed = several(
            "anchors", certificates, "certificates that `cryptography` has parsed", x509.Certificate
        )
        ders = [each.public_bytes(Encoding.DER) for each in parsed]
        return cls(ders, remember_paths=remember_paths, profile=profile)

    @classmethod
    def system(cls, *, remember_paths: int = REMEMBERED_PATHS, profile: Profile = "private") -> TrustStore:
        """Take the trust anchors of this system: of SSL_CERT_FILE if set, or of its own file. Raises ConfigError.

        remember_paths, profile: see `TrustStore`.
        """
        return cls.from_file(files.system_bundle(), remember_paths=remember_paths, profile=profile)

    @classmethod
    def _read(cls, data: bytes, source: str, remember_paths: int, profile: Profile) -> TrustStore:
        ders = _some(certificates_in(data, source), source, data)
        return cls(ders, remember_paths=remember_paths, profile=profile, source=source)

    def _check_not_empty(self, source: str) -> None:
        _some(list(self._anchors), source)

    def profile_for(self, purpose: Purpose | None) -> Profile:
        """Return the profile that applies to a purpose: the web profile is for servers only."""
        return self.profile if purpose is Purpose.SERVER else "private"

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the anchors and the profile, which is equal for equal stores in every process."""
        store = self.current
        if store._digest is None:
            each = sorted(sha256(der).digest() for der in store._anchors)
            theirs = sorted(sha256(der).digest() for der in store._exact)
            marked = [b"exact", *theirs] if theirs else []
            store._digest = sha256(b"".join([store.profile.encode(), b"\0", *each, *marked])).digest()
        return store._digest

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The trust anchors."""
        return tuple(anchor.x509 for anchor in self._anchors.values())

    @property
    def each(self) -> tuple[ParsedCertificate, ...]:
        """The trust anchors, as they are used."""
        return tuple(self._anchors.values())

    @property
    def exact(self) -> tuple[ParsedCertificate, ...]:
        """The certificates of peers that are trusted as they are, whoever issued them."""
        return tuple(self._exact.values())

    @property
    def readable_names(self) -> tuple[str, ...]:
        """The names of the first few trust anchors, as text."""
        few = [each.subject_text for each in list(self._anchors.values())[:3]]
        return (*few, f"{len(self) - 3} more") if len(self) > 3 else tuple(few)

    def __len__(self) -> int:
        return len(self._anchors)

    def __repr__(self) -> str:
        by = "" if self.profile == "private" else f", {self.profile} profile"
        return f"<TrustStore of {len(self)}{by}: {shown(self.readable_names)}>"

    def issuers_of(self, certificate: ParsedCertificate) -> Sequence[ParsedCertificate]:
        """Return the trust anchors whose name is the certificate's issuer (RFC 5280 7.1), the most likely first.

        Of several, only those whose key it names are returned, if there are any (4.2.1.1).
        """
        found = self._by_der.get(certificate.issuer) or self._by_name.get(certificate.normal_issuer)
        return () if found is None else found.issuers_of(certificate)

    def own(self, certificate: ParsedCertificate) -> ParsedCertificate | None:
        """Return the trust anchor that is this certificate, or None."""
        return self._anchors.get(certificate.der)

    def is_verified(self, edge: Edge) -> bool:
        """Whether a signature (digest of a certificate, digest of the signer's key) was verified before."""
        return self._edges.find(edge) is not None

    def parsed(self, der: bytes) -> ParsedCertificate:
        """Parse a certificate, unless it is cached; ValueError if it cannot be decoded."""
        return self._certificates.find(der) or ParsedCertificate(der)

    def remember(self, edge: Edge, child: ParsedCertificate) -> None:
        """Cache a signature of a path that ended at one of these trust anchors, and the signed certificate.

        edge: digests of the signed certificate and of the signer's key.  child: the signed certificate.
        """
        self._edges.keep(edge, True)
        self._certificates.keep(child.der, child)

    def forget_paths(self) -> None:
        """Empty the cache of signatures and certificates."""
        self._edges.clear()
        self._certificates.clear()


class _NoAnchors(TrustStore):
    """No trust anchor at all: every certificate is refused."""

    def __init__(self) -> None:
        super().__init__((), remember_paths=0, source="")

    def _check_not_empty(self, source: str) -> None:
        """Accept that there is none."""


def trusting_nobody() -> TrustStore:
    """Return a store without trust anchors: of a file from which the last certificate was removed."""
    return _NoAnchors()


class WatchedTrustStore(Replaceable[TrustStore], TrustStore):  # type: ignore[override]  # its generation is not fixed
    """The trust anchors in a file that may change. Made by `TrustStore.watched`."""

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the current trust anchors."""
        if name == "_renewed" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.current, name)


class _Reader:
    """Makes a store of the contents of files: of trust anchors, of exact certificates, or of both."""

    def __init__(
        self,
        path: files.FilePath | None,
        exact: files.FilePath | None,
        make: Callable[[Sequence[bytes], Sequence[bytes], str], TrustStore],
    ) -> None:
        self._path, self._exact, self._make = path, exact, make
        self._is_later = False
        self.paths = tuple(each for each in (path, exact) if each is not None)

    def first(self) -> TrustStore:
        """Read the files and make the store. Raises ConfigError."""
        return self([files.content(each) for each in self.paths])

    def __call__(self, contents: Sequence[bytes]) -> TrustStore:
        """Make the store of what is in the files. Raises ConfigError."""
        ders: list[bytes] = []
        if self._path is not None:
            ders = _some(certificates_in(contents[0], str(self._path)), self._path, contents[0])
        theirs: list[bytes] = []
        if self._exact is not None:
            theirs = exact_certificates_in(contents[-1], str(self._exact), may_be_empty=self._is_later)
        self._is_later = True
        if not ders and not theirs:
            return trusting_nobody()
        return self._make(ders, theirs, str(self._exact if self._path is None else self._path))


def _some(certificates: list[bytes], source: files.FilePath, data: bytes = b"") -> list[bytes]:
    if not certificates:
        raise without_certificate(data, source, "the certificates of CAs, as PEM or DER")
    return certificates


NO_ANCHORS: TrustStore = _NoAnchors()
