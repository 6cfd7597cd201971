"""Which decisions of a gateway are recorded in its audit file, and what of them.

Of clients that were not verified only so many are recorded, as in the log; the next entry has how many were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

from bothways.describe.escape import visible
from bothways.gateway.log.log import NAME_LIMIT, WHY_LIMIT, ConnectionEntry, identity
from bothways.gateway.observe.audit_file import AuditFile, NotRecorded
from bothways.gateway.observe.snapshot import peer_text
from bothways.servers.report_limits import Allowance, ReportLimits
from bothways.trust.files import monotonic

FILES = 32  # of a change that are named
REPORT_SECONDS = 60.0  # how often it is reported that nothing can be recorded


class Auditor:
    """Records for one process. actor: which process it is.  report: is called with a sentence."""

    def __init__(self, actor: str, report: Callable[[str], None], limits: ReportLimits | None = None) -> None:
        self._actor = actor
        self._report = report
        self._limits = limits or ReportLimits()
        self._reports = Allowance(1, REPORT_SECONDS)
        self._left_out = 0
        self._file: AuditFile | None = None

    def opened(self, path: str | None) -> AuditFile | None:
        """Return the file at a path, which is the one in use if that did not change. Raises ConfigError."""
        if path is None:
            return None
        if self._file is not None and self._file.path == path:
            return self._file
        return AuditFile(path, self._actor)

    def use(self, file: AuditFile | None) -> None:
        """Record there from here on; None records nothing."""
        before, self._file = self._file, file
        if before is not None and before is not file:
            before.close()

    def discard(self, file: AuditFile | None) -> None:
        """Close a file that is not used after all."""
        if file is not None and file is not self._file:
            file.close()

    def decision(self, entry: ConnectionEntry) -> str | None:
        """Record what was decided about a client, or the server of a tunnel; returns why that is not possible."""
        if self._file is None:
            return None
        if entry.peer is None and not self._limits.may_report(entry.host):
            self._left_out += 1
            return None
        details: dict[str, object] = {
            "client": entry.client,
            "listener": entry.listener,
            "route": entry.route,
            "server": entry.leads_to,
            "rule": None if entry.rule is None else visible(entry.rule, NAME_LIMIT),
            "server_name": None if entry.asked is None else visible(entry.asked, NAME_LIMIT),
            "who": None if entry.peer is None else identity(entry.peer),
            "presented": None if entry.presented is None else visible(entry.presented, NAME_LIMIT),
            "code": entry.code,
        }
        if self._left_out:
            details["not_recorded"], self._left_out = self._left_out, 0
        return self._record(entry.verdict, "" if entry.peer is None else peer_text(entry.peer), details)

    def change(self, action: str, path: str, text: str, changed: Iterable[str] = ()) -> None:
        """Record a configuration that is in use from here on. action: "start" or "reload".  changed: files."""
        digest = sha256(text.encode()).hexdigest()
        files = sorted(changed)
        details = {"configuration_sha256": digest, "changed": files[:FILES], "changed_files": len(files)}
        self._record(action, path, details)

    def refused_change(self, path: str, error: Exception) -> None:
        """Record that a configuration was not taken."""
        self._record("reload refused", path, {"why": visible(str(error), WHY_LIMIT)})

    def _record(self, action: str, subject: str, details: dict[str, object]) -> str | None:
        if self._file is None:
            return None
        try:
            self._file.append(action, subject, details)
        except NotRecorded as error:
            problem = f"{self._file.path}: nothing can be recorded: {error}"
            if self._reports.take(monotonic()):
                self._report(problem)
            return problem
        return None
