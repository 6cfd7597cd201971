"""The answer to a failure: what happened, what that usually means there, and from what, the likeliest first.

Words are filled in here: whatever comes from a peer is escaped, and commands hold nothing of it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from bothways.diagnosis.causes import Cause, Party
from bothways.faults import sentence

SHOWN = 4
WIDTH = 100
OWN_FACTS = ("target", "host", "cert", "key", "ca", "profile", "database")
_PLACEHOLDER = re.compile(r"[A-Z]+")


class Weight(IntEnum):
    """How much speaks for a cause."""

    POSSIBLE = 1  # nothing speaks for it but that it is common there
    LIKELY = 2  # what we know speaks for it
    CERTAIN = 3  # what we know leaves no other


@dataclass(frozen=True, slots=True)
class Likely:
    """A cause that a failure may have. `evidence` says why we think so; facts fill the row's braces.

    order: which of several independent faults it is a cause of; each of those has to be mended, in this order.
    """

    cause: Cause
    party: Party
    weight: Weight = Weight.POSSIBLE
    evidence: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    order: int = 0

    @property
    def text(self) -> str:
        """The cause as a sentence without its full stop."""
        return sentence(self.cause.value.text, self.facts).removesuffix(": ")

    @property
    def remedy(self) -> str:
        """What to do about it."""
        row = self.cause.value
        return sentence(
            (row.ours if self.party is Party.OURS else row.theirs) or row.theirs or row.ours, self.facts
        )

    @property
    def command(self) -> str:
        """A command for our own terminal that helps, or nothing. A word in capitals is to be replaced."""
        row = self.cause.value
        template = row.our_command if self.party is Party.OURS else row.their_command
        own = {name: _quoted(self.facts.get(name)) for name in OWN_FACTS}
        return "" if _lacks(template, self.facts) else template.format(**own)


def _quoted(value: object) -> str:
    text = str(value or "")
    return text if _PLACEHOLDER.fullmatch(text) else shlex.quote(text)


def _lacks(template: str, facts: Mapping[str, object]) -> bool:
    return any(f"{{{name}}}" in template and not facts.get(name) for name in OWN_FACTS)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a failure means. `str()` of it is for people.

    happened: what happened, as a sentence without its full stop.  usually: what that usually means in this
    place, "" where it says itself.  causes: what it may come from, the likeliest first; never empty.
    """

    happened: str
    usually: str
    causes: tuple[Likely, ...]

    @property
    def first(self) -> Likely:
        """The likeliest cause."""
        return self.causes[0]

    @property
    def told(self) -> tuple[Likely, ...]:
        """The causes that a person needs: of each independent fault the likeliest; then what something speaks for.

        What is certain takes away the other causes of the same, and nothing else. Where nothing is certain one more
        is told; where nothing speaks for any, the commonest few.
        """
        settled = {topic_of(each.cause) for each in self.causes if each.weight is Weight.CERTAIN}
        kept = [each for each in self.causes if each.weight is Weight.CERTAIN or _stands(each, settled)]
        if not any(each.weight >= Weight.LIKELY for each in kept):
            return self.causes[:SHOWN]
        more = [] if settled else [each for each in self.causes if each.weight is Weight.POSSIBLE][:1]
        needed = _firsts(kept)
        others = [each for each in (*kept, *more) if each not in needed]
        shown = [*needed, *others[: max(0, SHOWN - len(needed))]]
        return tuple(each for each in self.causes if each in shown)

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return meaning and causes in lines of at most `width` characters, for a terminal or a log."""
        lines = _wrapped("That means: ", self.usually, width) if self.usually else []
        told = self.told
        alone = len(told) == 1
        seen = ""
        lines.append(heading([(each.weight is Weight.CERTAIN, each.order) for each in told]))
        for number, each in enumerate(told, 1):
            mark = "  " if alone else f"  {number}. "
            lines += _wrapped(mark, each.text, width)
            inner = " " * len(mark)
            evidence = "" if seen.startswith(each.evidence) else each.evidence
            seen = each.evidence or seen
            for name, text in (("seen: ", evidence), ("do:   ", each.remedy)):
                lines += _wrapped(inner + name, text, width) if text else []
            lines += [f"{inner}try:  {each.command}"] if each.command else []
        return lines

    def __str__(self) -> str:
        return "\n".join([*_wrapped("", f"{self.happened}.", WIDTH), *self.lines()])


def facts_of(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as values that fit into JSON."""
    return {
        "happened": explanation.happened,
        "usually": explanation.usually,
        "causes": [
            {
                "cause": each.cause.name,
                "whose": each.party.value,
                "weight": each.weight.name.lower(),
                "text": each.text,
                "evidence": each.evidence,
                "remedy": each.remedy,
                "command": each.command,
            }
            for each in explanation.causes
        ],
    }


def heading(told: Sequence[tuple[bool, int]]) -> str:
    """Say what a list of causes is; of each: whether it is certain, and of which independent fault."""
    word = "Cause" if told[0][0] else "Likely cause"
    if len({order for _, order in told}) > 1:
        return "Causes, each to be mended, in this order:"
    return f"{word}:" if len(told) == 1 else f"{word}s, the likeliest first:"


def ranked(found: Iterable[Likely]) -> tuple[Likely, ...]:
    """Order causes: of each independent fault the likeliest, in their order; then by what speaks for the rest.

    Among equals those named first stay first. None stands twice.
    """
    best: dict[tuple[Cause, Party, int], Likely] = {}
    for each in found:
        key = (each.cause, each.party, each.order)
        if key not in best or best[key].weight < each.weight:
            best[key] = each
    by_weight = sorted(best.values(), key=lambda each: -each.weight)
    firsts = sorted(_firsts(by_weight), key=lambda each: each.order)
    known = {(each.cause, each.party) for each in firsts}
    rest = []
    for each in by_weight:
        if each not in firsts and (each.cause, each.party) not in known:
            known.add((each.cause, each.party))
            rest.append(each)
    return (*firsts, *rest)


def _firsts(causes: Iterable[Likely]) -> list[Likely]:
    """Return the first of each independent fault."""
    found: dict[int, Likely] = {}
    for each in causes:
        found.setdefault(each.order, each)
    return list(found.values())


def _stands(likely: Likely, settled: Collection[object]) -> bool:
    return likely.weight is Weight.LIKELY and topic_of(likely.cause) not in settled


def topic_of(cause: Cause) -> object:
    """Return what a cause is about: causes of one topic exclude each other."""
    return next((topic for topic, causes in TOPICS.items() if cause in causes), OTHER)


OTHER = "what has no topic of its own"
TOPICS: Mapping[str, frozenset[Cause]] = {
    "who issued it": frozenset(
        {
            Cause.CA_NOT_ACCEPTED,
            Cause.INTERMEDIATE_MISSING,
            Cause.SELF_SIGNED,
            Cause.ROOT_NOT_TRUSTED,
            Cause.CA_REPLACED,
            Cause.WRONG_ENVIRONMENT,
            Cause.PARTIAL_CHAIN,
            Cause.WRONG_INTERMEDIATE,
            Cause.DEPTH_LIMIT,
        }
    ),
    "when it is valid": frozenset(
        {Cause.EXPIRED, Cause.ANCHOR_EXPIRED, Cause.NOT_YET_VALID, Cause.OUR_CLOCK, Cause.PEERS_CLOCK}
    ),
    "whether it is revoked": frozenset(
        {Cause.REVOKED, Cause.STATUS_UNKNOWN, Cause.STAPLE_MISSING, Cause.BAD_STAPLE}
    ),
    "what it is for": frozenset({Cause.WRONG_USE, Cause.WRONG_KEY_USAGE}),
    "its name": frozenset({Cause.WRONG_NAME, Cause.NO_ALTERNATIVE_NAME}),
    "its strength": frozenset({Cause.WEAK_KEY, Cause.WEAK_SIGNATURE}),
    "its CAs": frozenset({Cause.PATH_TOO_LONG, Cause.NOT_A_CA, Cause.NAME_NOT_ALLOWED}),
}


def _wrapped(mark: str, text: str, width: int) -> list[str]:
    room = " " * len(mark)
    return textwrap.wrap(text, max(width, 40), initial_indent=mark, subsequent_indent=room) or [mark.rstrip()]
