"""The explanation of a failure: what happened, what that usually means, and its causes, the most likely first.

The texts are filled in here: whatever comes from a peer is escaped, and commands contain nothing of it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.situation import OF_SYSTEM
from bothways.faults import sentence

SHOWN = 4
SHOWN_BARE = 5  # where none has evidence: a hello is refused for its suites, groups, schemes or versions
MORE = 2
WIDTH = 100
OWN_FACTS = ("target", "host", "port", "cert", "key", "ca", "starttls", "later", "offer", "classic", "groups")
GIVEN = (
    "starttls",
    "name",
    "alpn",
    "cert",
    "key",
    "ech",
)  # options of `connect` with which we connected, as facts: given_NAME
CONNECT = "bothways connect {target}"
PROBING = f"{CONNECT} --ca {{ca}} --probe"
_PLACEHOLDER = re.compile(r"[A-Z]+")


class Weight(IntEnum):
    """How strong the evidence for a cause is."""

    POSSIBLE = 1  # no evidence, but the cause is common in this situation
    LIKELY = 2  # there is evidence for it
    CERTAIN = 3  # the evidence excludes every other cause


@dataclass(frozen=True, slots=True)
class Likely:
    """A cause that a failure may have.

    cause: its row in the table of causes.  party: the side that has to change something.  weight: how strong the
    evidence is.  evidence: why we think so, as text; "" for none.  facts: the values for the braces in the texts of the
    row.  order: where there are several independent faults, the number of the fault that this cause explains; each
    fault has to be corrected, in this order.
    """

    cause: Cause
    party: Party
    weight: Weight = Weight.POSSIBLE
    evidence: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    order: int = 0

    @property
    def text(self) -> str:
        """The cause, as a sentence without its full stop."""
        return sentence(self.cause.value.text, self.facts).removesuffix(": ")

    @property
    def remedy(self) -> str:
        """What to do about it."""
        row = self.cause.value
        ours, theirs = row.ours, row.theirs
        if self.facts.get("above"):
            ours, theirs = row.ours_above or ours, row.theirs_above or theirs
        return sentence((ours if self.party is Party.OURS else theirs) or theirs or ours, self.facts)

    @property
    def is_ours_to_do(self) -> bool:
        """Whether a command does what `remedy` says; without one somebody is asked for it."""
        return bool(self._template and self.command)

    @property
    def _template(self) -> str:
        row = self.cause.value
        return row.our_command if self.party is Party.OURS else row.their_command

    @property
    def command(self) -> str:
        """A command for our own terminal that helps, or "". Words in capitals are placeholders."""
        template = self._template
        if self.facts.get("no_command"):
            return ""
        if self.facts.get("unprobed") and self.weight is not Weight.CERTAIN:
            template = _probing(template)
        if template.startswith("(openssl x509") and _is_bundle(self.facts.get("cert")):
            return ""  # its certificate is not in PEM, and its key is in the same file
        if self.facts.get("given_ech") and not template.startswith(CONNECT):
            return ""  # other programs would send the server's name in the clear
        if not self.facts.get("offer"):
            template = template.replace(" --alpn {offer}", "")
        if self.facts.get("starttls"):
            template = _through_starttls(template)
        if self.facts.get("ca") == OF_SYSTEM:
            template = template.replace(" --ca {ca}", "")
        own = {name: _quoted(self.facts.get(name)) for name in OWN_FACTS}
        dropped = _dropped(self.cause, self.facts) if self.party is Party.OURS else ()
        return (
            "" if _lacks(template, self.facts) else _with_given(template, self.facts, dropped).format(**own)
        )


def _probing(template: str) -> str:
    """Return the command with the option by which more hellos show what a server refuses; without one, that alone."""
    if not template:
        return PROBING
    return (
        template
        if "--starttls {starttls}" in template
        else template.replace(CONNECT, f"{CONNECT} --probe", 1)
    )


def _is_bundle(path: object) -> bool:
    """Whether a file is PKCS#12 by its name."""
    return str(path).lower().endswith((".p12", ".pfx"))


def _through_starttls(template: str) -> str:
    """Return the command with the option by which every connection to that server requests TLS."""
    if "{starttls}" in template:
        return template
    for command, option in (
        (CONNECT, "--starttls"),
        ("s_client -connect {target}", "-starttls"),
    ):
        template = template.replace(command, f"{command} {option} {{starttls}}")
    return template


def _quoted(value: object) -> str:
    text = str(value or "")
    return text if _PLACEHOLDER.fullmatch(text) else shlex.quote(text)


# Options of ours that a remedy leaves out: without them more is offered.
DROPPED: Mapping[Cause, tuple[str, ...]] = {
    Cause.NO_SHARED_VERSION: ("--tls",),
    Cause.NO_SHARED_SUITE: ("--suites",),
    Cause.ONLY_KEY_TRANSPORT: ("--suites",),
    Cause.NO_SHARED_GROUP: ("--groups",),
}


def _dropped(cause: Cause, facts: Mapping[str, object]) -> tuple[str, ...]:
    """Return the options that a remedy leaves out. Suites of one version alone leave the other version out."""
    dropped = DROPPED.get(cause, ())
    if cause is not Cause.NO_SHARED_VERSION:
        return dropped
    suites = next((value for option, *value in _kept(facts) if option == "--suites"), [])
    of_12 = {"_WITH_" in each for value in suites for each in value.split(",")}
    return (*dropped, "--suites") if len(of_12) == 1 else dropped


def _with_given(template: str, facts: Mapping[str, object], dropped: Collection[str]) -> str:
    """Return the command with the options by which we connected, except those that it has already, or leaves out."""
    given = [name for name in GIVEN if facts.get(f"given_{name}") and f" --{name} " not in template]
    words = "".join(f" --{name} {_quoted(each)}" for name in given for each in _values(facts, name))
    words += "".join(
        f" {_joined(each)}" for each in _kept(facts) if each[0] not in dropped and _fits(each[0], template)
    )
    return template.replace(CONNECT, CONNECT + words.replace("{", "{{").replace("}", "}}"), 1)


def _kept(facts: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    """Return the further options of our command, each in words."""
    kept = facts.get("given_options")
    return kept if isinstance(kept, tuple) else ()


def _joined(words: tuple[str, ...]) -> str:
    return " ".join((words[0], *(_quoted(each) for each in words[1:])))


def _fits(option: str, template: str) -> bool:
    """Whether a command keeps an option: the password is not that of another identity."""
    if option == "--password-file":
        return " --cert CERT" not in template
    return option in REPEATABLE or not re.search(rf" (?:{option}|{{{option[2:]}}})(?= |$)", template)


REPEATABLE = ("--crl", "--fetch-allow", "--staple-file")


def _values(facts: Mapping[str, object], name: str) -> list[str]:
    value = str(facts[f"given_{name}"])
    return value.split(",") if name == "alpn" else [value]


def _lacks(template: str, facts: Mapping[str, object]) -> bool:
    return any(f"{{{name}}}" in template and not facts.get(name) for name in OWN_FACTS)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a failure means. `str()` of it is for people.

    happened: what happened, as a sentence without its full stop.  usually: what that usually means at this point of
    a connection, or "".  causes: the causes that it may have, the most likely first; never empty.
    """

    happened: str
    usually: str
    causes: tuple[Likely, ...]

    @property
    def first(self) -> Likely:
        """The most likely cause."""
        return self.causes[0]

    @property
    def shown_causes(self) -> tuple[Likely, ...]:
        """The causes that are worth showing: of each independent fault the most likely; then those with evidence.

        A certain cause removes the other causes of the same fault, and no others. Where no cause is certain, two more
        are shown; where some are, alternatives to a fault of which none is; where no cause has
        evidence, the few most common.
        """
        settled = {topic_of(each.cause) for each in self.causes if each.weight is Weight.CERTAIN}
        kept = [each for each in self.causes if each.weight is Weight.CERTAIN or _is_shown(each, settled)]
        if not any(each.weight >= Weight.LIKELY for each in kept):
            return self.causes[:SHOWN_BARE]
        more = [each for each in self.causes if _may_be_shown(each, kept, settled)][:MORE]
        needed = _firsts(kept)
        others = [each for each in (*kept, *more) if each not in needed]
        shown = [*needed, *others[: max(0, SHOWN - len(needed))]]
        return tuple(each for each in self.causes if each in shown)

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return meaning and causes in lines of at most `width` characters, for a terminal or a log."""
        lines = _wrapped("That means: ", self.usually, width) if self.usually else []
        shown = self.shown_causes
        alone = len(shown) == 1
        several_faults = len({each.order for each in shown}) > 1
        seen = ""
        tried: set[str] = set()
        lines.append(heading([(each.weight is Weight.CERTAIN, each.order) for each in shown]))
        for number, each in enumerate(shown, 1):
            mark = "  " if alone else f"  {number}. "
            likely = several_faults and each.weight is not Weight.CERTAIN
            lines += _wrapped(
                mark, f"{each.weight.name.lower()}: {each.text}" if likely else each.text, width
            )
            inner = " " * len(mark)
            evidence = "" if seen.startswith(each.evidence) else each.evidence
            seen = each.evidence or seen
            todo = "do:   " if each.is_ours_to_do else "ask:  "
            for name, text in (("seen: ", evidence), (todo, each.remedy)):
                lines += _wrapped(inner + name, text, width) if text else []
            if each.command and each.command not in tried:
                lines.append(f"{inner}try:  {each.command}")
            tried.add(each.command)
        return lines

    def __str__(self) -> str:
        return "\n".join([*_wrapped("", f"{self.happened}.", WIDTH), *self.lines()])


def facts_of(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as values for JSON."""
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


def heading(causes: Sequence[tuple[bool, int]]) -> str:
    """Return the heading of a list of causes.

    causes: for each cause whether it is certain, and the number of its fault.
    """
    word = "Cause" if causes[0][0] else "Likely cause"
    if len({order for _, order in causes}) > 1:
        if all(is_certain for is_certain, _ in causes):
            return "Causes, each to be corrected, in this order:"
        return "Causes, in the order in which to correct them:"
    return f"{word}:" if len(causes) == 1 else f"{word}s, the most likely first:"


def ranked(found: Iterable[Likely]) -> tuple[Likely, ...]:
    """Order causes: first the most likely of each independent fault, in the order of the faults; then by evidence.

    The order is stable. No cause occurs twice.
    """
    best: dict[tuple[Cause, Party, int], Likely] = {}
    for each in found:
        key = (each.cause, each.party, each.order)
        if key not in best or best[key].weight < each.weight:
            best[key] = each
    by_weight = sorted(_once(best.values()), key=lambda each: -each.weight)
    firsts = sorted(_firsts(by_weight), key=lambda each: each.order)
    known = {(each.cause, each.party) for each in firsts}
    rest = []
    for each in by_weight:
        if each not in firsts and (each.cause, each.party) not in known:
            known.add((each.cause, each.party))
            rest.append(each)
    return (*firsts, *rest)


def _once(causes: Iterable[Likely]) -> list[Likely]:
    """Leave out what an earlier fault says in the same words: two faults may have one cause, and one remedy."""
    found = list(causes)
    said = {(each.text, each.party): each.order for each in sorted(found, key=lambda each: -each.order)}
    return [each for each in found if said[each.text, each.party] == each.order]


def _firsts(causes: Iterable[Likely]) -> list[Likely]:
    """Return the first of each independent fault."""
    found: dict[int, Likely] = {}
    for each in causes:
        found.setdefault(each.order, each)
    return list(found.values())


def _is_shown(likely: Likely, settled: Collection[object]) -> bool:
    return likely.weight is Weight.LIKELY and topic_of(likely.cause) not in settled


def _may_be_shown(likely: Likely, kept: Sequence[Likely], settled: Collection[object]) -> bool:
    """Whether to show a cause without evidence: nothing is certain, or it is an alternative to a likely one."""
    if likely.weight is not Weight.POSSIBLE or not settled:
        return likely.weight is Weight.POSSIBLE
    topic = topic_of(likely.cause)
    if topic is OTHER or topic in settled:
        return False
    return any(topic_of(each.cause) == topic and each.order == likely.order for each in kept)


def topic_of(cause: Cause) -> object:
    """Return the topic of a cause: causes of one topic exclude each other."""
    return next((topic for topic, causes in TOPICS.items() if cause in causes), OTHER)


OTHER = "what has no topic of its own"
TOPICS: Mapping[str, frozenset[Cause]] = {
    "who issued it": frozenset(
        {
            Cause.CA_NOT_ACCEPTED,
            Cause.CERTIFICATE_NOT_PINNED,
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
        {Cause.REVOKED, Cause.STATUS_UNKNOWN, Cause.FETCH_NOT_ALLOWED, Cause.STAPLE_MISSING, Cause.BAD_STAPLE}
    ),
    "what it is for": frozenset({Cause.WRONG_USE, Cause.WRONG_KEY_USAGE}),
    "its name": frozenset({Cause.WRONG_NAME, Cause.NO_ALTERNATIVE_NAME}),
    "its strength": frozenset({Cause.WEAK_KEY, Cause.WEAK_SIGNATURE}),
    "its CAs": frozenset({Cause.PATH_TOO_LONG, Cause.NOT_A_CA, Cause.NAME_NOT_ALLOWED}),
}


def _wrapped(mark: str, text: str, width: int) -> list[str]:
    room = " " * len(mark)
    return textwrap.wrap(text, max(width, 40), initial_indent=mark, subsequent_indent=room) or [mark.rstrip()]
