"""What is made of the files that a gateway names: credentials, trust anchors, CRLs and OCSP responses.

It is immutable: files that have changed make another one beside it, which takes over what has not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol, TypeVar

from bothways.counts import counted
from bothways.errors import ConfigError
from bothways.gateway.config.identity import Own
from bothways.gateway.config.spiffe import SpiffeIdentity
from bothways.gateway.files.sources import ContentSources
from bothways.gateway.store.news import SharedNews
from bothways.no_op import do_nothing
from bothways.spiffe.identities import TrustDomains
from bothways.ticket_keys.wrapping import secret_in
from bothways.trust import files
from bothways.trust.anchors import TrustStore, trusting_nobody
from bothways.trust.certificate.files import certificates_in, exact_certificates_in
from bothways.trust.crl.revocation_list import CRL, crls_in
from bothways.trust.crl_files import replace_changed
from bothways.trust.crl_store import CRLStore
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.keys.external_psks import ExternalPSKs, psks_in
from bothways.trust.keys.pins import PinnedKeys, pins_in
from bothways.trust.ocsp.response import OCSPResponse, responses_in
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.private_keys import read_private_key
from bothways.trust.own_identity.raw_key import RawKeyCredentials

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Paths = tuple[str, ...]
SYSTEM_ANCHORS: Paths = ()


class Reading(Protocol):
    """Where the contents of files come from."""

    def __call__(self, path: str, most: int = files.MAX_FILE) -> bytes:
        """Return the content of a file of at most so many bytes. Raises ConfigError."""

    def private(self, path: str) -> bytes:
        """Return the content of a file of secrets. Raises ConfigError, also where others can use it."""


@dataclass(frozen=True, slots=True)
class Lists:
    """CRLs of several files. each: those that each file has now; the store may have more."""

    store: CRLStore
    each: Mapping[str, tuple[CRL, ...]]


@dataclass(frozen=True, slots=True)
class Responses:
    """OCSP responses of several files. each: those that each file has now; the store may have more."""

    store: OCSPStore
    each: Mapping[str, tuple[OCSPResponse, ...]]


class _Group(Protocol[T_co]):
    """What several files have together."""

    @property
    def each(self) -> Mapping[str, tuple[T_co, ...]]:
        """What each of them has."""


@dataclass(frozen=True, slots=True)
class Held:
    """All of it, by the paths of the files. The anchors of this system have no path.

    news: revocation news, which are of no file and are the same for as long as the process lasts.
    """

    credentials: dict[Paths, Credentials] = field(default_factory=dict)
    anchors: dict[Paths, TrustStore] = field(default_factory=dict)
    lists: dict[Paths, Lists] = field(default_factory=dict)
    responses: dict[Paths, Responses] = field(default_factory=dict)
    pins: dict[Paths, PinnedKeys] = field(default_factory=dict)
    psks: dict[Paths, ExternalPSKs] = field(default_factory=dict, repr=False)
    raw_keys: dict[Paths, RawKeyCredentials] = field(default_factory=dict)
    secrets: dict[Paths, bytes] = field(default_factory=dict, repr=False)
    news: SharedNews = field(default_factory=SharedNews)

    def long_lists(self) -> dict[str, tuple[CRL, ...]]:
        """Return the CRLs of the files that have nothing but long ones, and are used for nothing else."""
        others = {
            path
            for used in (self.credentials, self.anchors, self.responses)
            for paths in used
            for path in paths
        }
        each = ((path, crls) for lists in self.lists.values() for path, crls in lists.each.items())
        return {path: crls for path, crls in each if path not in others and all(crl.is_long for crl in crls)}


class FileReader:
    """Reads files, and keeps of each when it was changed and what was in it. sources: where contents come from."""

    def __init__(self, sources: ContentSources | None = None) -> None:
        self._sources = sources or ContentSources()
        self.stamps: dict[str, files.Stamp | None] = {}
        self.digests: dict[str, bytes] = {}
        self.contents: dict[str, bytes] = {}

    def __call__(self, path: str, most: int = files.MAX_FILE) -> bytes:
        """Return the content of a file; what was read once is not read again. Raises ConfigError."""
        if path not in self.contents:
            stamp = self._sources.stamp(path)
            self.contents[path] = self._sources.content(path, most)
            self.stamps[path] = stamp or self._sources.stamp(path)
            self.digests[path] = sha256(self.contents[path]).digest()
        return self.contents[path]

    def private(self, path: str) -> bytes:
        """Return the content of a file of secrets, which nobody gets where others can use it: then ConfigError."""
        content = self(path)
        try:
            files.check_private(path)
        except ConfigError:
            del self.contents[path]
            raise
        return content


class Making:
    """Makes what a configuration needs, each once.

    read: returns the contents of files.  before: what was made earlier.  changed: paths of files that are different
    from then.  keeps: a file that cannot be used leaves what was made of it earlier in use. at: the time.  lists: the
    CRLs of files that another process has read.  progress: is called after each part of the work.
    Attributes: `progress`; `held`, what is made; `news`, sentences for people; `kept`, why files are not used, with
    their paths.
    """

    def __init__(
        self,
        read: Reading,
        before: Held,
        changed: Collection[str],
        at: datetime,
        *,
        keeps: bool,
        lists: Mapping[str, tuple[CRL, ...]] | None = None,
        progress: Callable[[], None] = do_nothing,
    ) -> None:
        self._read = read
        self._before = before
        self._changed = frozenset(changed)
        self._at = at
        self._keeps = keeps
        self._lists = dict(lists or {})
        self._responses: dict[str, tuple[OCSPResponse, ...]] = {}
        self.progress = progress
        self.held = Held(news=before.news)
        self.news: list[str] = []
        self.kept: list[tuple[Paths, ConfigError]] = []

    def secret(self, path: str) -> bytes:
        """Return the secret in a file. Raises ConfigError."""

        def make(_: bytes | None) -> bytes:
            return secret_in(self._read(path), path)

        return self._once(self.held.secrets, self._before.secrets, (path,), make)

    def credentials(self, own: Own) -> Credentials:
        """Return those of our files. Raises ConfigError."""

        def make(before: Credentials | None) -> Credentials:
            return own.load(self._read, before)

        return self._once(self.held.credentials, self._before.credentials, own.paths, make)

    def anchors(self, path: str | None) -> TrustStore:
        """Return those of a file, or those of this system. Raises ConfigError."""

        def make(_: TrustStore | None) -> TrustStore:
            if path is None:
                return TrustStore.system()
            return TrustStore(certificates_in(self._read(path), path), source=path)

        paths = SYSTEM_ANCHORS if path is None else (path,)
        return self._once(self.held.anchors, self._before.anchors, paths, make)

    def client_anchors(self, ca: str | None, exact: str | None) -> TrustStore:
        """Return those of the CAs of one file and of the exact certificates of another. Raises ConfigError.

        A later file without a certificate trusts none of those that it had.
        """
        if exact is None:
            return self.anchors(ca)

        def make(before: TrustStore | None) -> TrustStore:
            ders = [] if ca is None else certificates_in(self._read(ca), ca)
            theirs = exact_certificates_in(self._read(exact), exact, may_be_empty=before is not None)
            if not ders and not theirs:
                return trusting_nobody()
            return TrustStore(ders, exact=theirs, source=exact if ca is None else ca)

        return self._once(self.held.anchors, self._before.anchors, (ca or "", exact), make)

    def pins(self, path: str) -> PinnedKeys:
        """Return the pins in a file. A later file without one trusts none. Raises ConfigError."""

        def make(before: PinnedKeys | None) -> PinnedKeys:
            return pins_in(self._read(path), path, may_be_empty=before is not None)

        return self._once(self.held.pins, self._before.pins, (path,), make)

    def psks(self, path: str) -> ExternalPSKs:
        """Return the pre-shared keys in a file. A later file without one accepts none. Raises ConfigError."""

        def make(before: ExternalPSKs | None) -> ExternalPSKs:
            return psks_in(self._read.private(path), path, may_be_empty=before is not None)

        return self._once(self.held.psks, self._before.psks, (path,), make)

    def has_new_psks(self, path: str) -> bool:
        """Whether a file of pre-shared keys was not in use before."""
        return (path,) not in self._before.psks

    def raw_key(self, path: str) -> RawKeyCredentials:
        """Return our key without a certificate. Raises ConfigError."""

        def make(_: RawKeyCredentials | None) -> RawKeyCredentials:
            try:
                key = read_private_key(self._read(path), path, None)
            except PassphraseNeeded:
                raise ConfigError(
                    f"{path}: it is encrypted, and a gateway asks nobody for a password; name a file with the key as "
                    "it is, which only the gateway can read"
                ) from None
            return RawKeyCredentials(key, path)

        return self._once(self.held.raw_keys, self._before.raw_keys, (path,), make)

    def domain_anchors(self, own: SpiffeIdentity, only: str | None = None) -> tuple[TrustStore, TrustDomains]:
        """Return those of the trust domains of SPIFFE, and which anchors verify which domain. Raises ConfigError.

        only: one trust domain; None for all of them.
        """
        domains: list[TrustDomains] = []

        def make(before: TrustStore | None) -> TrustStore:
            store, found = own.anchors(self._read, before, only)
            domains.append(found)
            self.news += found.lacking
            return store

        paths = (*own.paths, *own.domains) if only is None else (own.source, f"bundle of {only}")
        store = self._once(self.held.anchors, self._before.anchors, paths, make, quiet=True)
        return store, domains[0] if domains else own.anchors(self._read, store, only)[1]

    def lists(self, paths: Paths) -> CRLStore:
        """Return the CRLs of several files, with those that were used earlier. Raises ConfigError."""

        def make(before: Lists | None) -> Lists:
            each, changed = self._each(paths, None if before is None else before.each, self._crls_of)
            present = [crl for several in each.values() for crl in several]
            if before is None:
                return Lists(CRLStore(present), each)
            if not changed:
                return before
            store = before.store.copy()
            known = {crl.digest for several in before.each.values() for crl in several}
            self.news += replace_changed(store, changed, present, known, self._at)
            return Lists(store, each)

        return self._once(self.held.lists, self._before.lists, paths, make, quiet=True).store

    def responses(self, paths: Paths) -> OCSPStore:
        """Return the OCSP responses of several files, with those that were used earlier. Raises ConfigError."""

        def make(before: Responses | None) -> Responses:
            each, changed = self._each(paths, None if before is None else before.each, self._responses_of)
            if before is not None and not changed:
                return before
            store = OCSPStore(() if before is None else before.store)
            for _, several in changed:
                for response in several:
                    store.add(response, self._at)
            if before is not None:
                self.news += [
                    f"{path}: read again: {counted(len(several), 'OCSP response')}"
                    for path, several in changed
                ]
            return Responses(store, each)

        return self._once(self.held.responses, self._before.responses, paths, make, quiet=True).store

    def _crls_of(self, path: str) -> tuple[CRL, ...]:
        """Return the CRLs of a file, which are read once for all groups of files with it."""
        if path not in self._lists:
            self._lists[path] = self._earlier(path, self._before.lists) or tuple(
                crls_in(self._read(path, files.MAX_CRL_FILE), path, lambda _: self.progress())
            )
        return self._lists[path]

    def _responses_of(self, path: str) -> tuple[OCSPResponse, ...]:
        """Return the OCSP responses of a file, which are read once as well."""
        if path not in self._responses:
            self._responses[path] = self._earlier(path, self._before.responses) or tuple(
                responses_in(self._read(path, files.MAX_FILE), path)
            )
        return self._responses[path]

    def _earlier(self, path: str, groups: Mapping[Paths, _Group[T]]) -> tuple[T, ...]:
        """Return what a file had for other groups, if it has not changed."""
        if path in self._changed:
            return ()
        return next((group.each[path] for paths, group in groups.items() if path in paths), ())

    def _each(
        self,
        paths: Paths,
        before: Mapping[str, tuple[T, ...]] | None,
        read: Callable[[str], tuple[T, ...]],
    ) -> tuple[dict[str, tuple[T, ...]], list[tuple[str, tuple[T, ...]]]]:
        """Return what each file has, and those that are different from before; each is kept by itself."""
        each: dict[str, tuple[T, ...]] = {}
        changed = []
        for path in paths:
            if before is not None and path not in self._changed:
                each[path] = before[path]
                continue
            try:
                each[path] = read(path)
            except ConfigError as error:
                if before is None or not self._keeps:
                    raise
                self._keep(error, path)
                each[path] = before[path]
            else:
                changed.append((path, each[path]))
        return each, changed

    def _once(
        self,
        made: dict[Paths, T],
        before: Mapping[Paths, T],
        paths: Paths,
        make: Callable[[T | None], T],
        *,
        quiet: bool = False,
    ) -> T:
        if paths in made:
            return made[paths]
        earlier = before.get(paths)
        if earlier is not None and not self._changed.intersection(paths):
            made[paths] = earlier
            return earlier
        try:
            made[paths] = make(earlier)
        except ConfigError as error:
            if earlier is None or not self._keeps:
                raise
            self._keep(error, *paths)
            made[paths] = earlier
        else:
            if earlier is not None and not quiet:
                self.news.append(f"read again: {', '.join(paths)}")
        return made[paths]

    def _keep(self, error: ConfigError, *paths: str) -> None:
        self.kept.append((paths, error))
