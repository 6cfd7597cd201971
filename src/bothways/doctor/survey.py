"""Asks a server, question by question, what it speaks and what it chooses; a bounded number, none finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from bothways.doctor.dial import Caller, Spent
from bothways.doctor.probes import (
    ASKED_GROUPS,
    DATED_SUITES,
    GOOD_SUITES_12,
    SUITES_12,
    SUITES_13,
    SUITES_WITH_GROUPS,
    VERSIONS,
    Question,
)
from bothways.doctor.replies import Answer
from bothways.doctor.report import Choices, Server, Standing, Version
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion
from bothways.iana import names as all_spelled
from bothways.starttls import PROTOCOLS

TLS13, TLS12 = ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2

# What is asked, and the most connections that it takes.
PLAN = {
    "which protocol it uses": 4,
    "versions": len(VERSIONS),
    "suites of TLS 1.3": 6,
    "suites of TLS 1.2": 8,
    "outdated suites": len(DATED_SUITES),
    "groups": len(ASKED_GROUPS),
}
GIVE_UP_AFTER = 2
WAITING = ("postgres", "ldap")  # servers that say nothing before they are asked

NOTHING = Choices((), complete=False)


@dataclass
class Survey:
    """What is known so far. `run` asks; `server` is what came of it."""

    caller: Caller
    first: Answer | None = None
    spoken: dict[int, Standing] = field(default_factory=lambda: dict.fromkeys(VERSIONS, "not known"))
    suites_13: Choices = NOTHING
    suites_12: Choices = NOTHING
    dated: list[str] = field(default_factory=list)
    groups: Choices = NOTHING
    session_ids: bool = False
    tickets: bool = False
    cut_short: str = ""
    _silent: int = 0

    def run(self) -> None:
        """Ask everything that makes sense.

        Raises OSError where the server cannot be reached at all, StartTLSFailed where it does not turn to TLS.
        """
        self.first = self._greet()
        try:
            self._go_on(self.first)
        except Spent:
            self.cut_short = "the allowed number of connections is used up"
        except OSError as error:
            self.cut_short = f"the server stopped answering: {error.strerror or error}"
        except StartTLSFailed as error:
            self.cut_short = f"TLS could not be requested any more: {error.sentence}"
        except _Silent:
            self.cut_short = "the server stopped answering in time"

    def _go_on(self, answer: Answer) -> None:
        if answer.kind in ("closed", "silence"):
            answer = self.first = (
                self._greet_in_words(answer) or self._greet_behind_a_header(answer) or answer
            )
        if answer.kind in ("choice", "alert", "closed"):
            self._versions(answer)
            self._suites()
            self._dated()
            self._groups()

    @property
    def speaks(self) -> str:
        """What speaks there."""
        match self.first:
            case None | Answer(kind="silence"):
                return "nothing"
            case Answer(kind="foreign", speaks=what):
                return what
            case Answer(kind="garbled"):
                return "something other than TLS"
        return "TLS" if self.first.kind != "closed" or "spoken" in self.spoken.values() else "nothing"

    def server(self) -> Server:
        """Return what was found."""
        address = self.caller.address
        host, port = address if address is not None else ("", 0)
        return Server(
            address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            milliseconds=round(self.caller.seconds * 1000, 1),
            speaks=self.speaks,
            start=self.first.start if self.first is not None else "",
            through="" if self.caller.starttls is None else self.caller.starttls.title,
            versions=tuple(Version(VERSIONS[code], standing) for code, standing in self.spoken.items()),
            suites_13=self.suites_13,
            suites_12=self.suites_12,
            dated=tuple(self.dated),
            groups=self.groups,
            session_ids=self.session_ids,
            tickets_12=self.tickets,
            cut_short=self.cut_short,
        )

    # -- questions ---------------------------------------------------------------------------------------

    def _ask(self, asked: Question, *, to_the_share: bool = False) -> Answer:
        answer = self.caller.ask(asked, to_the_share=to_the_share)
        self._silent = self._silent + 1 if answer.kind == "silence" else 0
        if self._silent >= GIVE_UP_AFTER:
            raise _Silent
        if answer.kind == "choice" and answer.version == TLS12:
            self.session_ids = self.session_ids or answer.session_id
            self.tickets = self.tickets or answer.ticket
        return answer

    def _greet(self) -> Answer:
        return self._ask(Question((TLS13, TLS12), (*SUITES_13, *GOOD_SUITES_12)))

    def _greet_in_words(self, before: Answer) -> Answer | None:
        """Ask once more in the words of those who hang up on whoever speaks TLS at once."""
        if self.caller.starttls is not None:
            return None
        for name in WAITING if before.kind == "closed" else WAITING[:1]:  # nobody waits for silence twice
            refused = self.caller.ask_in_words_of(PROTOCOLS[name])
            if refused is None:
                return self._greet()
            if refused.problem is StartTLSProblem.NOT_OFFERED:
                return Answer("foreign", speaks=f"{refused.protocol}, with TLS turned off")
        return None

    def _greet_behind_a_header(self, before: Answer) -> Answer | None:
        """Ask once more behind a header of the PROXY protocol, without which some ports hang up."""
        if before.kind != "closed":
            return None
        self.caller.through_proxy_header = True
        try:
            answer = self._greet()
        finally:
            self.caller.through_proxy_header = False
        if answer.kind not in ("choice", "alert"):
            return None
        return Answer("foreign", speaks="TLS only after the header of the PROXY protocol")

    def _versions(self, greeted: Answer) -> None:
        """What the first question told needs no other: a server that chose TLS 1.2 speaks no TLS 1.3."""
        if greeted.version in (TLS13, TLS12):
            self.spoken[greeted.version] = "spoken"
            if greeted.version == TLS12:
                self.spoken[TLS13] = "refused"
        for version in VERSIONS:
            if self.spoken[version] == "not known":
                suites = SUITES_13 if version == TLS13 else (*GOOD_SUITES_12, *_rest())
                answer = self._ask(Question((version,), suites))
                self.spoken[version] = _standing(answer, version)

    def _suites(self) -> None:
        if self._speaks(TLS13):
            self.suites_13 = self._chosen(
                SUITES_13,
                PLAN["suites of TLS 1.3"],
                lambda suites: self._ask(Question((TLS13,), suites)).suite,
                CipherSuite,
            )
        if self._speaks(TLS12):
            self.suites_12 = self._chosen(
                GOOD_SUITES_12,
                PLAN["suites of TLS 1.2"],
                lambda suites: self._ask(Question((TLS12,), suites)).suite,
                CipherSuite,
            )

    def _dated(self) -> None:
        spoken = tuple(version for version in VERSIONS if version != TLS13 and self._speaks(version))
        if not spoken:
            return
        for what, suites in DATED_SUITES.items():
            if self._ask(Question(spoken[:1], suites)).kind == "choice":
                self.dated.append(what)

    def _groups(self) -> None:
        version = TLS13 if self._speaks(TLS13) else TLS12
        if not self._speaks(version):
            return
        suites = SUITES_13 if version == TLS13 else SUITES_WITH_GROUPS

        def ask(groups: tuple[int, ...]) -> int | None:
            asked = Question((version,), suites, groups)
            return self._ask(asked, to_the_share=version == TLS12).group

        self.groups = self._chosen(ASKED_GROUPS, PLAN["groups"], ask, NamedGroup)

    def _speaks(self, version: int) -> bool:
        return self.spoken[version] == "spoken"

    def _chosen(
        self,
        offered: Sequence[int],
        most: int,
        ask: Callable[[tuple[int, ...]], int | None],
        registry: type[IntEnum],
    ) -> Choices:
        """Offer all, then all but what was chosen, until nothing is: each question finds one."""
        left, found = list(offered), list[int]()
        for _ in range(most):
            code = ask(tuple(left))
            if code not in left:
                return Choices(tuple(all_spelled(registry, found)), complete=True)
            found.append(code)
            left.remove(code)
            if not left:
                return Choices(tuple(all_spelled(registry, found)), complete=True)
        return Choices(tuple(all_spelled(registry, found)), complete=False)


class _Silent(Exception):
    """The server did not answer several questions in turn."""


def _rest() -> tuple[int, ...]:
    return tuple(suite for suite in SUITES_12 if suite not in GOOD_SUITES_12)


def _standing(answer: Answer, version: int) -> Standing:
    if answer.kind == "choice":
        return "spoken" if answer.version == version else "refused"
    return "refused" if answer.kind in ("alert", "closed") else "not known"
