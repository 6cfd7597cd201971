"""Our own CA as a source: a certificate that is issued here and renewed ahead of its end, and the newest CRLs.

It acts when it is asked, without a thread, and keeps nothing of the CA open, so that a supervisor can fork. What the CA
issues is in its register and its audit log, as with the commands.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority, Issued, utc_now
from bothways.ca.crl import build_crl
from bothways.ca.crl_schedule import due, maintained
from bothways.ca.errors import AuthorityError
from bothways.ca.home import layout
from bothways.ca.home.files import read_settings
from bothways.ca.issuer import Issuer, local_actor
from bothways.ca.profiles import Profile
from bothways.ca.register.values import WHOLE
from bothways.errors import ConfigError
from bothways.gateway.config.authority import CERTIFICATE, AuthorityIdentity, holder_of
from bothways.trust import files
from bothways.trust.decoding import pem
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.own_identity.passphrase import passphrase_in

LOOK_SECONDS = 1.0  # how often the directory is looked at
PAUSE_SECONDS = 30.0  # after a failure
LOCK_SECONDS = 2.0  # how long other issuers are waited for
RENEWED_AFTER = 2 / 3  # of the lifetime
_REGISTER = ("register.db", "register.db-wal")
_CERTIFICATES = ("authority.json", "root.pem", "issuing.pem")

Clock = Callable[[], datetime]


class AuthoritySource(ABC):
    """What comes from the directory of a CA. Attributes: `generation`, which rises when it is other than before.

    issues: whether it may issue; otherwise the CA is opened, and what is returned is signed by nobody known, for a
    check.  at: returns the time.  now: returns monotonic seconds.
    """

    watched: tuple[str, ...]
    kept: str

    def __init__(
        self,
        identity: AuthorityIdentity,
        *,
        issues: bool = True,
        at: Clock = utc_now,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity, self._issues, self._at, self._now = identity, issues, at, now
        self._directory = Path(identity.directory)
        self._latest: bytes | None = None
        self._seen: tuple[files.Stamp | None, ...] = ()
        self._next = 0.0
        self._problem = ""
        self.generation = 0

    def first(self) -> bytes:
        """Return the newest content; at first it is made. Raises ConfigError."""
        if self._latest is None:
            self._take(self._checked())
        return self._latest or b""

    def poll(self) -> list[str]:
        """Make it again where that is due; returns what there is to report."""
        if self._latest is None or self._now() < self._next:
            return []
        self._next = self._now() + LOOK_SECONDS
        if self._stamps() == self._seen and not self._is_due():
            return []
        try:
            made = self._checked()
        except ConfigError as error:
            self._next = self._now() + PAUSE_SECONDS
            return self._told(f"{error}; {self.kept}")
        self._problem = ""
        if made != self._latest:
            self._take(made)
        return []

    def close(self) -> None:
        """Forget what was made; nothing else is open."""
        self._latest = None

    def _take(self, made: bytes) -> None:
        self._latest = made
        self.generation += 1

    def _told(self, problem: str) -> list[str]:
        """Return what there is to report: a problem once, until another comes or it is over."""
        news = [] if problem == self._problem else [problem]
        self._problem = problem
        return news

    def _checked(self) -> bytes:
        """Return what is made now. Raises ConfigError, which names the directory."""
        try:
            made = self._made()
        except (AuthorityError, ConfigError) as error:
            raise ConfigError(f"{self._identity.directory}: {error}") from None
        self._seen = self._stamps()
        return made

    def _stamps(self) -> tuple[files.Stamp | None, ...]:
        return tuple(files.stamp(str(self._directory / each)) for each in self.watched)

    @contextmanager
    def _opened(self) -> Iterator[Issuer]:
        settings, password = read_settings(self._directory), self._identity.password
        if settings.key_uri:
            raise ConfigError(
                "its key is in a token, which only `bothways ca` can use; issue to files by that command, and name "
                "them in `certificate` and `key`"
            )
        if settings.database_url:
            raise ConfigError(
                "its register is in a database of its own, which may keep this gateway waiting; issue by "
                "`bothways ca issue` to files, and name them in `certificate` and `key`"
            )
        secret = None if password is None else passphrase_in(files.content(password), password).encode()
        try:
            issuer = Issuer.open(
                self._directory,
                secret,
                actor=f"gateway {local_actor()}",
                now=self._at,
                lock_seconds=LOCK_SECONDS,
            )
        except PassphraseNeeded:
            raise ConfigError(
                "its key is encrypted: name a file with the passphrase in `password_file`"
            ) from None
        with issuer:
            yield issuer

    def _is_due(self) -> bool:
        return False

    @abstractmethod
    def _made(self) -> bytes: ...


class IssuedCertificate(AuthoritySource):
    """Our certificate, its chain and its key in PEM. Another one is issued when two thirds of its lifetime are over.

    It is also issued where the CA is another one.
    """

    watched = _CERTIFICATES
    kept = "the earlier certificate stays in use"
    _renewed_at: datetime

    def _is_due(self) -> bool:
        return self._at() >= self._renewed_at

    def _made(self) -> bytes:
        holder, lifetime = holder_of(self._identity.names), timedelta(hours=self._identity.hours)
        with self._opened() as issuer:
            issued: Issued
            if self._issues:
                issued = issuer.issue(Profile.SERVER, holder, lifetime=lifetime)
            else:
                issued = _nobody().issue(
                    Profile.SERVER, dns=holder.dns, ip=holder.ip, uri=holder.uri, lifetime=lifetime
                )
        now = self._at()
        self._renewed_at = now + (issued.certificate.not_valid_after_utc - now) * RENEWED_AFTER
        return issued.chain_pem + issued.key_pem


class NewestLists(AuthoritySource):
    """The CRL of all certificates and that of the root, in PEM. The former is signed here when it is due.

    So a revocation by any process that uses this directory is in it soon.
    """

    watched = (*_REGISTER, *_CERTIFICATES)
    kept = "the earlier CRLs stay in use"
    _due_at: datetime

    def _is_due(self) -> bool:
        return self._at() >= self._due_at

    def _made(self) -> bytes:
        newest = self._newest()
        if newest is None and self._issues:
            with self._opened() as issuer:
                newest = issuer.crl().public_bytes(Encoding.DER)
        if newest is None:
            with self._opened():
                newest = _empty_list(self._at())
        self._due_at = self._at() + timedelta(hours=1)
        return pem.encoded("X509 CRL", newest) + (layout.root_crl_pem(self._directory) or b"")

    def _newest(self) -> bytes | None:
        """Return the CRL that counts now; None where another one is due."""
        read_settings(self._directory)
        now = self._at()
        with layout.register_of(self._directory) as register:
            state = register.crl_state(now)
            if None not in maintained(state):
                raise ConfigError(
                    "its CRL of all certificates has too many entries to be signed here; name CRLs in `crl`"
                )
            is_due = self._issues and WHOLE in due(state, now)
            return None if is_due else register.newest_crl(WHOLE)


def source_of(path: str, *, issues: bool) -> AuthoritySource:
    """Return the source that a path names."""
    kind = IssuedCertificate if path.startswith(CERTIFICATE) else NewestLists
    return kind(AuthorityIdentity.of_source(path), issues=issues)


def _nobody() -> Authority:
    return Authority.create("nobody: a check issues nothing")


def _empty_list(at: datetime) -> bytes:
    at = at.replace(microsecond=0)
    return build_crl(_nobody(), [], 1, at, at + timedelta(days=1)).public_bytes(Encoding.DER)
