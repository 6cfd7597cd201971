"""The OCSP responses for our own certificates: from files, or fetched and renewed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import click

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import refuse, say
from bothways.counts import counted
from bothways.faults import shown
from bothways.tls.defaults import CLOCK, RANDOMNESS
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.evidence.stapling import Stapling, staple_problem, with_issuers
from bothways.trust.ocsp.response import OCSPResponse, responses_in
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.watched import Watched


@dataclass(frozen=True, slots=True)
class Staples:
    """The options about OCSP responses for our own certificates."""

    staple: bool = False
    staple_file: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The options of a client that the commands of a remedy keep."""
        files = (("--staple-file", each) for each in self.staple_file)
        return (*((("--staple",),) if self.staple else ()), *files)

    def supply(self, own: Credentials | None, anchors: TrustStore | None) -> Supply | None:
        """Read the files, and check that fetching is possible; exit with status 2 if not.

        anchors: where the issuer is looked up if our chain does not contain it.
        """
        if not self.staple and not self.staple_file:
            return None
        if self.staple and self.staple_file:
            refuse("--staple and --staple-file exclude each other: use one of them")
        if own is None:
            refuse("a staple is an OCSP response for our own certificate: it requires --cert")
        with explaining_file_kinds(*((path, Wanted.RESPONSES) for path in self.staple_file)):
            files = Watched(self.staple_file, responses_in)
        supply = Supply(files, own, anchors)
        for path in self.staple_file:
            supply.check(path, own)
        if self.staple:
            supply.stapling = Stapling(own, random=RANDOMNESS.random, anchors=anchors, store=supply.store)
        return supply


@dataclass(slots=True)
class Supply:
    """The responses in `store`, and what renews them."""

    files: Watched[OCSPResponse]
    own: Credentials
    anchors: TrustStore | None
    store: OCSPStore = field(init=False)
    stapling: Stapling | None = None

    def __post_init__(self) -> None:
        self.store = OCSPStore(self.files.items())

    def check(self, path: str, own: Credentials) -> None:
        """Refuse a file without a response about one of our certificates, and report one that is not valid."""
        held = OCSPStore.from_files(path)
        problem = self._problem(held)
        if problem is not None:
            refuse(f"{path}: {problem}")
        certificates = [ParsedCertificate(der) for der in own.chain]
        if not any(held.speaks_of(each) for each in certificates):
            whose = shown(certificates[0].subject_text)
            refuse(f"{path}: it has no OCSP response for the certificate of {whose} or its issuers")
        if not any(held.staples(own.certificates, CLOCK.now())):
            say(f"{path}: its OCSP response is not current, and is not sent")

    def read_changed(self) -> list[str]:
        """Read responses from files that have changed; return lines to be printed."""
        news: list[str] = []
        for path, responses in self.files.read_changed(news):
            problem = self._problem(responses)
            if problem is not None:
                news.append(f"{path}: {problem}; its earlier content stays in use")
                continue
            for each in responses:
                self.store.add(each, CLOCK.now())
            news.append(f"{path}: read again: {counted(len(responses), 'OCSP response')}")
        return news

    def _problem(self, responses: Iterable[OCSPResponse]) -> str | None:
        """Return why responses about our certificates are not valid; None if they are."""
        pairs = with_issuers(self.own.current, self.anchors)
        problems = (staple_problem(each, pairs, CLOCK.now()) for each in responses)
        problem = next(filter(None, problems), None)
        return None if problem is None else f"its OCSP response cannot be sent: {shown(problem)}"

    @contextlib.contextmanager
    def renewing(self, tell: Callable[[str], None] = say) -> Iterator[None]:
        """Fetch responses, and renew them while the body runs. tell: called with lines to be printed."""
        if self.stapling is None:
            yield
            return
        from bothways.fetch import blocking  # the HTTP client is imported only if something may be fetched

        with blocking.renewing(self.stapling, tell=tell):
            yield


staples_options = gathered(
    "staples",
    Staples,
    click.option(
        "--staple",
        is_flag=True,
        help="Fetch the OCSP response for our certificate and send it in the handshake.",
    ),
    click.option(
        "--staple-file",
        type=FILE,
        metavar="FILE",
        multiple=True,
        help="An OCSP response for our certificate to send in the handshake, DER or PEM; repeatable.",
    ),
)
