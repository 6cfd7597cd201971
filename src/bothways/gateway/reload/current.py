"""The configuration in use: read again on demand, and its files when they change; checked here, once for all workers.

Nothing here serves anybody: whoever does takes a change whole, or it never was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bothways.errors import ConfigError
from bothways.gateway.config.gateway import GatewayConfig, config_text, parsed_config
from bothways.gateway.files.held import SYSTEM_ANCHORS, FileReader, Held, Making, Paths
from bothways.gateway.files.sources import ContentSources
from bothways.gateway.log.log import Log
from bothways.gateway.reload.loading import loaded_routes
from bothways.gateway.routes.routes import Routes
from bothways.no_op import do_nothing
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.trust import files
from bothways.trust.own_identity.renewal import Overdue
from bothways.trust.reported_once import ReportedOnce

LOOK_SECONDS = 0.1  # how often files are looked at: what is in them counts within a second
SETTLED_SECONDS = 0.2  # how long a file that is being written has to stay as it is before it is read
UNSETTLED_SECONDS = 0.5  # after that a file is read that is being written all the time
CONFIG_SETTLED_SECONDS = 0.4  # the same for the configuration, of which a part could say something else
TRY_AGAIN_SECONDS = 5.0  # how often an unusable one is read again, as its files may have come since
LOOKS_FAIL, LOOKS_GO_ON = "files could not be checked for changes", "files are checked for changes again"
EXPIRY_SECONDS = 5.0  # how often it is looked which CRLs have expired


@dataclass(slots=True)
class _Seen:
    """A file that is no longer as it was read. since, first: the times of its last change and of the first one."""

    stamp: files.Stamp | None
    since: float
    first: float

    def note(self, stamp: files.Stamp | None, now: float) -> None:
        """Note how it is now."""
        if stamp != self.stamp:
            self.stamp, self.since = stamp, now

    def may_be_read(self, now: float) -> bool:
        """Whether it is not being written, or has been for long."""
        return (
            now - self.since >= SETTLED_SECONDS
            or now - self.first >= UNSETTLED_SECONDS
            or files.have_settled([self.stamp])
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be taken. text: of the configuration.  contents: of files, by path.  changed: which are different.

    reads_all: the configuration itself was read again, on demand.  news: what there is to say of files.
    """

    routes: Routes
    text: str
    contents: dict[str, bytes]
    changed: frozenset[str]
    reads_all: bool
    news: tuple[str, ...]


class Current:
    """The routes in use, and what was seen of their files. Not for several threads at once.

    path: of the configuration.  tickets: the ticket keys.  `when_refused`: is called with the path of a file whose
    content cannot be used, and why.  Raises ConfigError.
    """

    def __init__(self, path: str, log: Log, tickets: TicketKeys | None) -> None:
        self._path = path
        self._log = log
        self._tickets = tickets
        self._config_taken = files.stamp(path)
        self._config_seen: _Seen | None = None
        self._refusals = ReportedOnce()
        self._refused_at: float | None = None
        self._tries_again = False
        self._text = config_text(path)
        self.when_refused: Callable[[str, Exception], object] = do_nothing
        self._expiries = ReportedOnce()
        self._looked_for_expiry = 0.0
        self._seen: dict[str, _Seen] = {}
        self._told: dict[tuple[Paths, str], float] = {}  # why files were not used, and when that was told
        self._taken: dict[str, files.Stamp | None] = {}
        self._digests: dict[str, bytes] = {}
        self._unused: set[str] = set()
        self._untaken: set[str] = set()  # files of which a change was made that is not in use yet
        self._made_at = 0.0
        self._sources = ContentSources()
        reader = FileReader(self._sources)
        making = Making(reader, Held(), (), datetime.now(UTC), keeps=False)
        try:
            self.routes = loaded_routes(parsed_config(path, self._text), tickets, making)
        except BaseException:
            self.close()
            raise
        self._sources.waits = False
        self._note(reader)
        self._expiries.news(self.routes.expired(datetime.now(UTC)))
        self._overdue = Overdue()
        self._not_renewed()  # whoever starts tells them as warnings

    @property
    def text(self) -> str:
        """The configuration in use."""
        return self._text

    def close(self) -> None:
        """End what is followed by a connection; the routes stay."""
        self._sources.close()

    # -- what changes ----------------------------------------------------------------------------------

    def read_again(self) -> Change:
        """Read the configuration and all of its files. Raises ConfigError, and then nothing has changed."""
        self._config_taken = files.stamp(self._path)
        text = config_text(self._path)
        config = parsed_config(self._path, text)
        reader = FileReader(self._sources)
        for path, most in _named_files(config):
            reader(path, most)
        changed = {path for path in reader.contents if self._is_different(path, reader)}
        anchors = {paths: each for paths, each in self.routes.held.anchors.items() if paths != SYSTEM_ANCHORS}
        before = replace(self.routes.held, anchors=anchors)
        making = Making(reader, before, changed, datetime.now(UTC), keeps=False)
        routes = loaded_routes(config, self._tickets, making)
        self._note(reader)
        self._unused.clear()
        self._refused_at, self._untaken = None, changed
        return Change(routes, text, reader.contents, frozenset(changed), True, tuple(making.news))

    def is_other_configuration(self) -> bool:
        """Whether the configuration was replaced since it was read, or may be usable by now: then it is read again."""
        now, stamp = files.monotonic(), files.stamp(self._path)
        if stamp == self._config_taken:
            self._config_seen = None
            self._tries_again = self._refused_at is not None and now >= self._refused_at + TRY_AGAIN_SECONDS
            return self._tries_again
        seen = self._config_seen = self._config_seen or _Seen(stamp, now, now)
        seen.note(stamp, now)
        if now - seen.since < CONFIG_SETTLED_SECONDS and not files.have_settled([stamp]):
            return False
        self._config_taken = stamp
        try:
            return config_text(self._path) != self._text
        except ConfigError:
            return True  # whoever reads it again tells why

    def look(self) -> Change | None:
        """Read what has changed on disk; a file that cannot be used is told, and leaves the earlier one in use."""
        self._warn_of_expiry()
        if files.monotonic() >= self._made_at + TRY_AGAIN_SECONDS:
            self._forget_untaken()  # a defect kept whoever serves from taking it
        for line in self._sources.poll():
            self._log.event(line)
        changed = self._changed_files()
        if not changed:
            return None
        reader = FileReader(self._sources)
        for path in tuple(changed):
            try:
                reader(path, files.MAX_CRL_FILE)
            except ConfigError:
                self._taken[path] = self._sources.stamp(path)  # told below, once
            else:
                if not self._is_different(path, reader):
                    changed.discard(path)
        self._note(reader)
        return self._made_of(reader, changed) if changed else None

    def _made_of(self, reader: FileReader, changed: set[str]) -> Change | None:
        before = self.routes.held
        own = {path for paths in before.credentials for path in paths}
        for different in dict.fromkeys((frozenset(changed), frozenset(changed - own))):
            making = Making(reader, before, different, datetime.now(UTC), keeps=True)
            try:
                routes = loaded_routes(self.routes.config, self._tickets, making)
            except ConfigError as error:  # such as a certificate that fits no signature scheme
                self._unused |= different
                for [path], problem in self._not_told_lately([((min(changed),), error)]):
                    self._log.event(_stays(problem))
                    self.when_refused(path, problem)
                continue
            self._note(reader)
            self._unused = (self._unused - different).union(*(paths for paths, _ in making.kept))
            kept = self._not_told_lately(making.kept)
            for paths, problem in kept:
                self.when_refused(paths[0], problem)
            news = (*making.news, *(_stays(problem) for _, problem in kept))
            if _is_same(making.held, before):
                for line in news:
                    self._log.event(line)
                return None
            self._untaken, self._made_at = set(different), files.monotonic()
            return Change(routes, self._text, reader.contents, different, False, news)
        return None

    def take(self, change: Change) -> None:
        """Use a change from here on, and tell it."""
        self.routes, self._text, self._untaken = change.routes, change.text, set()
        self._log.form = change.routes.config.log_format
        for line in change.news:
            self._log.event(line)
        if change.reads_all:
            self._sources.keep_only({path for path, _ in _named_files(change.routes.config)})
            self._log.event(f"reloaded: {self._path}")
            for warning in change.routes.warnings():
                self._log.event(f"warning: {warning}")
            self._not_renewed()

    def refuse(self, error: Exception) -> None:
        """Tell why the configuration is not taken, unless it was only tried again, with the same result."""
        self._refused_at = files.monotonic()
        self._forget_untaken()  # what is in those files counts for the earlier configuration
        if not self._tries_again:
            self._refusals = ReportedOnce()
        self._tries_again = False
        why = error.strerror if isinstance(error, OSError) and error.filename is None else None
        line = f"not reloaded, the earlier configuration stays in use: {why or error}"
        for each in self._refusals.news({line: line}):
            self.when_refused(self._path, error)
            self._log.event(each)

    # -- files -----------------------------------------------------------------------------------------

    def _forget_untaken(self) -> None:
        """Read those files again of which a change was made that nobody has taken."""
        for path in self._untaken:
            self._taken[path] = None
            self._digests.pop(path, None)
        self._untaken = set()

    def _changed_files(self) -> set[str]:
        now, changed = files.monotonic(), set()
        for path, taken in self._taken.items():
            stamp = self._sources.stamp(path)
            if stamp == taken:
                self._seen.pop(path, None)
                continue
            seen = self._seen.setdefault(path, _Seen(stamp, now, now))
            seen.note(stamp, now)
            if seen.may_be_read(now):
                del self._seen[path]  # one that is written on is not read again at each look
                changed.add(path)
        return changed

    def _not_told_lately(self, kept: list[tuple[Paths, ConfigError]]) -> list[tuple[Paths, ConfigError]]:
        """Return those that were not told within some seconds, of a file that is being written slowly."""
        now = files.monotonic()
        self._told = {key: at for key, at in self._told.items() if now < at + TRY_AGAIN_SECONDS}
        new = [(paths, error) for paths, error in kept if (paths, str(error)) not in self._told]
        self._told |= {(paths, str(error)): now for paths, error in new}
        return new

    def _is_different(self, path: str, reader: FileReader) -> bool:
        return path in self._unused or self._digests.get(path) != reader.digests[path]

    def _note(self, reader: FileReader) -> None:
        self._taken |= reader.stamps
        self._digests |= reader.digests

    def _warn_of_expiry(self) -> None:
        """Say which CRLs have expired and which of our certificates were not renewed in time, each once."""
        if files.monotonic() < self._looked_for_expiry + EXPIRY_SECONDS:
            return
        self._looked_for_expiry = files.monotonic()
        for line in self._expiries.news(self.routes.expired(datetime.now(UTC))):
            self._log.event(line)
        for line in self._not_renewed():
            self._log.event(f"warning: {line}")

    def _not_renewed(self) -> list[str]:
        """Return which of our certificates should have been renewed, unless that was told."""
        own = ((paths[0], each) for paths, each in self.routes.held.credentials.items())
        return self._overdue.news(own, datetime.now(UTC))


def _stays(error: ConfigError) -> str:
    return f"{error}; the earlier content stays in use"


def _named_files(config: GatewayConfig) -> Iterator[tuple[str, int]]:
    """Yield the files that a configuration names, each with how large it may be."""
    for route in config.routes:
        one = route.identity
        yield from ((path, files.MAX_CRL_FILE) for path in one.crl)
        others = (*one.own.read_files, one.client_ca, one.client_cert, *one.ocsp)
        yield from ((path, files.MAX_FILE) for path in others if path is not None)
    for tls in config.tls_to_services:
        yield from ((path, files.MAX_CRL_FILE) for path in tls.crl)
        yield from ((path, files.MAX_FILE) for path in tls.read_files)
    if config.limits.shared_secret is not None:
        yield config.limits.shared_secret, files.MAX_FILE


def _is_same(one: Held, other: Held) -> bool:
    return all(
        each is theirs.get(paths)
        for ours, theirs in (
            (one.credentials, other.credentials),
            (one.anchors, other.anchors),
            (one.lists, other.lists),
            (one.responses, other.responses),
            (one.pins, other.pins),
            (one.psks, other.psks),
            (one.raw_keys, other.raw_keys),
            (one.secrets, other.secrets),
        )
        for paths, each in ours.items()
    )
