"""The answer to a failure: what happened, what that usually means there, and from what, the likeliest first.

Words are filled in here: whatever comes from a peer is escaped, and commands hold nothing of it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from bothways.diagnosis.causes import Cause, Party
from bothways.faults import sentence

SHOWN = 4
WIDTH = 100
OWN_FACTS = ("target", "host", "cert", "key", "ca", "profile")
_PLACEHOLDER = re.compile(r"[A-Z]+")


class Weight(IntEnum):
    """How much speaks for a cause."""

    POSSIBLE = 1  # nothing speaks for it but that it is common there
    LIKELY = 2  # what we know speaks for it
    CERTAIN = 3  # what we know leaves no other


@dataclass(frozen=True, slots=True)
class Likely:
    """A cause that a failure may have. `evidence` says why we think so; facts fill the row's braces."""

    cause: Cause
    party: Party
    weight: Weight = Weight.POSSIBLE
    evidence: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

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
        """The causes that a person needs: those that are certain; else those that something speaks for, and one
        more; else the commonest few."""
        for weight, more in ((Weight.CERTAIN, 0), (Weight.LIKELY, 1)):
            count = sum(each.weight is weight for each in self.causes)
            if count:
                return self.causes[: min(count + more, SHOWN)]
        return self.causes[:SHOWN]

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return meaning and causes in lines of at most `width` characters, for a terminal or a log."""
        lines = _wrapped("That means: ", self.usually, width) if self.usually else []
        told = self.told
        alone = len(told) == 1
        word = "Cause" if self.first.weight is Weight.CERTAIN else "Likely cause"
        seen = ""
        lines.append(f"{word}:" if alone else f"{word}s, the likeliest first:")
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


def ranked(found: Iterable[Likely]) -> tuple[Likely, ...]:
    """Order causes by what speaks for them; among equals those named first stay first. None stands twice."""
    first: dict[tuple[Cause, Party], Likely] = {}
    for each in found:
        key = (each.cause, each.party)
        if key not in first or first[key].weight < each.weight:
            first[key] = each
    return tuple(sorted(first.values(), key=lambda each: -each.weight))


def _wrapped(mark: str, text: str, width: int) -> list[str]:
    room = " " * len(mark)
    return textwrap.wrap(text, max(width, 40), initial_indent=mark, subsequent_indent=room) or [mark.rstrip()]
