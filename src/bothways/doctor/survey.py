"""Finds out what a server supports and chooses, by a limited number of hellos; no handshake is completed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bothways.addresses import TCPAddress
from bothways.diagnosis import Probed
from bothways.doctor.dial import ConnectionsUsedUp, Dialer
from bothways.doctor.probes import (
    GOOD_SUITES_12,
    GROUPS,
    OUTDATED_SUITES,
    PROBED_GROUPS,
    SUITES_12,
    SUITES_13,
    SUITES_WITH_GROUPS,
    VERSIONS,
    ProbeOffer,
)
from bothways.doctor.replies import HelloReply
from bothways.doctor.report import Choices, ServerBehaviour, VersionStatus, VersionSupport
from bothways.doctor.unanswered import CONNECTIONS, distinguish, in_http, refused_by_alert
from bothways.errors import StartTLSFailed
from bothways.iana import Alert, CipherSuite, ProtocolVersion, group_names
from bothways.iana import name as alert_name
from bothways.iana import names as all_spelled
from bothways.starttls import PROTOCOLS

TLS13, TLS12 = ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2
OLD_VERSIONS = (ProtocolVersion.TLSv1_1, ProtocolVersion.TLSv1)

# What is tried, and the maximum number of connections for it.
PLAN = {
    "which protocol it uses": 2 + CONNECTIONS,
    "versions": len(VERSIONS),
    "suites of TLS 1.3": 6,
    "suites of TLS 1.2": 8,
    "outdated suites": len(OUTDATED_SUITES),
    "groups": len(PROBED_GROUPS),
}
GIVE_UP_AFTER = 2
RARE_GROUPS_ASKED = 3  # within the plan, where one hello found that no usual group is chosen

NO_CHOICES = Choices((), complete=False)


@dataclass
class Survey:
    """What is known so far. `run` sends the hellos; `server` is the result.

    otherwise: what a server does that answered no hello, or refused every one.
    """

    dialer: Dialer
    first: HelloReply | None = None
    spoken: dict[int, VersionStatus] = field(default_factory=lambda: dict.fromkeys(VERSIONS, "not known"))
    suites_13: Choices = NO_CHOICES
    suites_12: Choices = NO_CHOICES
    dated: list[str] = field(default_factory=list)
    dated_suites: list[int] = field(default_factory=list)
    groups: Choices = NO_CHOICES
    session_ids: bool = False
    tickets: bool = False
    cut_short: str = ""
    refused_with: int | None = None
    otherwise: Probed | None = None
    _silent: int = 0
    _alerts: dict[int, int | None] = field(default_factory=dict)

    def run(self) -> None:
        """Send all hellos that make sense.

        Raises OSError where the server cannot be reached at all, StartTLSFailed where it does not start TLS.
        """
        started = time.monotonic()
        self.first = self._first_hello()
        try:
            self._ask_further(self.first, time.monotonic() - started)
        except ConnectionsUsedUp:
            self.cut_short = "the allowed number of connections is used up"
        except OSError as error:
            self.cut_short = f"the server stopped answering: {error.strerror or error}"
        except StartTLSFailed as error:
            self.cut_short = f"TLS could not be requested any more: {error.sentence}"
        except _Silent:
            self.cut_short = "the server stopped answering in time"

    def _ask_further(self, reply: HelloReply, waited: float) -> None:
        if reply.kind in ("closed", "silence") and self.dialer.starttls is None:
            self.otherwise = distinguish(self.dialer, reply, waited)
            reply = self.first = self._answered_otherwise(reply)
        elif reply.is_http and self.dialer.starttls is None:
            self.otherwise = in_http(self.dialer)
        found = self.otherwise
        if found is not None and (found.closes_at_once or found.without_name or found.differs_by_name):
            return
        if reply.kind in ("choice", "alert", "closed"):
            self._versions(reply)
            self._suites()
            self._dated()
            self._groups()

    @property
    def speaks(self) -> str:
        """The protocol of the server, as text."""
        match self.first:
            case None | HelloReply(kind="silence"):
                return "nothing"
            case HelloReply(kind="foreign", speaks=what):
                return what
            case HelloReply(kind="garbled"):
                return "something other than TLS"
        return "TLS" if self.first.kind != "closed" or "spoken" in self.spoken.values() else "nothing"

    def server(self) -> ServerBehaviour:
        """Return the result."""
        address = self.dialer.address
        host, port = address if address is not None else ("", 0)
        return ServerBehaviour(
            address=str(TCPAddress(host, port)),
            milliseconds=round(self.dialer.seconds * 1000, 1),
            speaks=self.speaks,
            start=self.first.start if self.first is not None else "",
            through="" if self.dialer.starttls is None else self.dialer.starttls.title,
            versions=tuple(VersionSupport(VERSIONS[code], status) for code, status in self.spoken.items()),
            suites_13=self.suites_13,
            suites_12=self.suites_12,
            dated=tuple(self.dated),
            groups=self.groups,
            session_ids=self.session_ids,
            tickets_12=self.tickets,
            cut_short=self.cut_short,
            refused_with="" if self.refused_with is None else alert_name(Alert, self.refused_with).lower(),
        )

    # -- hellos ------------------------------------------------------------------------------------------

    def _ask(self, offer: ProbeOffer, *, until_key_exchange: bool = False) -> HelloReply:
        reply = self.dialer.ask(offer, until_key_exchange=until_key_exchange)
        self._silent = self._silent + 1 if reply.kind == "silence" else 0
        if self._silent >= GIVE_UP_AFTER:
            raise _Silent
        if reply.kind == "choice" and reply.version == TLS12:
            self.session_ids = self.session_ids or reply.session_id
            self.tickets = self.tickets or reply.ticket
        return reply

    def _first_hello(self) -> HelloReply:
        return self._ask(ProbeOffer((TLS13, TLS12), (*SUITES_13, *GOOD_SUITES_12)))

    def _answered_otherwise(self, reply: HelloReply) -> HelloReply:
        """Return the reply by what the server answers instead; one that starts TLS on request gets the hello again."""
        found = self.otherwise
        if found is None:
            return reply
        if found.starttls and not found.plain:
            self.otherwise = None
            return self._first_hello()
        if found.starttls:
            return HelloReply("foreign", speaks=f"{PROTOCOLS[found.starttls].title}, with TLS turned off")
        if found.after_proxy_header:
            return HelloReply("foreign", speaks="TLS only after the header of the PROXY protocol")
        if found.without_name:
            return HelloReply("foreign", speaks="TLS only for hellos without this server name")
        if found.differs_by_name:
            return HelloReply("foreign", speaks="TLS only for hellos with a server name")
        if found.answer:
            return HelloReply("foreign", speaks="another protocol than TLS", start=found.answer)
        return reply

    def _versions(self, first: HelloReply) -> None:
        """Find out the other versions; a server that chose TLS 1.2 in the first hello does not support TLS 1.3."""
        if first.version in (TLS13, TLS12):
            self.spoken[first.version] = "spoken"
            if first.version == TLS12:
                self.spoken[TLS13] = "refused"
        for version in VERSIONS:
            if self.spoken[version] == "not known":
                suites = SUITES_13 if version == TLS13 else (*GOOD_SUITES_12, *_other_suites())
                reply = self._ask(ProbeOffer((version,), suites))
                self.spoken[version] = _version_status(reply, version)
                self._alerts[version] = reply.alert
        if "spoken" not in self.spoken.values() and first.alert is not None:
            self._refused_altogether(first.alert)

    def _refused_altogether(self, alert: int) -> None:
        """Every hello was refused: except after the one alert that is about versions, its versions are not known."""
        old = (self._alerts.get(each) for each in OLD_VERSIONS)
        self.otherwise = Probed(allows_old=any(each not in (None, Alert.PROTOCOL_VERSION) for each in old))
        if alert != Alert.PROTOCOL_VERSION:
            self.refused_with = alert
            self.otherwise = refused_by_alert(self.dialer, alert)
            self.spoken = dict.fromkeys(VERSIONS, "not known")

    def _suites(self) -> None:
        if self._speaks(TLS13):
            self.suites_13 = self._choices(
                SUITES_13,
                PLAN["suites of TLS 1.3"],
                lambda suites: self._ask(ProbeOffer((TLS13,), suites)).suite,
                _suite_names,
            )
        if self._speaks(TLS12):
            self.suites_12 = self._choices(
                GOOD_SUITES_12,
                PLAN["suites of TLS 1.2"],
                lambda suites: self._ask(ProbeOffer((TLS12,), suites)).suite,
                _suite_names,
            )

    def _dated(self) -> None:
        spoken = tuple(version for version in VERSIONS if version != TLS13 and self._speaks(version))
        if not spoken:
            return
        for what, suites in OUTDATED_SUITES.items():
            reply = self._ask(ProbeOffer(spoken[:1], suites))
            if reply.kind == "choice":
                self.dated.append(what)
                self.dated_suites += [] if reply.suite is None else [reply.suite]

    def _groups(self) -> None:
        version = TLS13 if self._speaks(TLS13) else TLS12
        if not self._speaks(version):
            return
        suites = SUITES_13 if version == TLS13 else SUITES_WITH_GROUPS

        def ask(groups: tuple[int, ...]) -> int | None:
            offer = ProbeOffer((version,), suites, groups)
            return self._ask(offer, until_key_exchange=version == TLS12).group

        self.groups = self._choices(PROBED_GROUPS, PLAN["groups"], ask, group_names)
        if not self.groups.names:
            every = tuple(dict.fromkeys((*PROBED_GROUPS, *GROUPS)))
            self.groups = self._choices(every, RARE_GROUPS_ASKED, ask, group_names)

    def _speaks(self, version: int) -> bool:
        return self.spoken[version] == "spoken"

    def _choices(
        self,
        offered: Sequence[int],
        most: int,
        ask: Callable[[tuple[int, ...]], int | None],
        spelled: Callable[[list[int]], list[str]],
    ) -> Choices:
        """Offer all, then all but those chosen, until the server chooses none: each hello finds one."""
        remaining, found = list(offered), list[int]()
        for _ in range(most):
            code = ask(tuple(remaining))
            if code not in remaining:
                return Choices(tuple(spelled(found)), complete=True)
            found.append(code)
            remaining.remove(code)
            if not remaining:
                return Choices(tuple(spelled(found)), complete=True)
        return Choices(tuple(spelled(found)), complete=False)


class _Silent(Exception):
    """The server did not answer several hellos in sequence."""


def _suite_names(codes: list[int]) -> list[str]:
    return all_spelled(CipherSuite, codes)


def _other_suites() -> tuple[int, ...]:
    return tuple(suite for suite in SUITES_12 if suite not in GOOD_SUITES_12)


def _version_status(reply: HelloReply, version: int) -> VersionStatus:
    if reply.kind == "choice":
        return "spoken" if reply.version == version else "refused"
    return "refused" if reply.kind in ("alert", "closed") else "not known"
