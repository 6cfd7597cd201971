"""Several rules about peers together, of which one has to match, and a rule as it is written on a command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.access.cel import MOST_EXPRESSIONS, MOST_TOGETHER, CelRule
from bothways.trust.access.kinds import COMPILERS
from bothways.trust.access.rule import PeerRule
from bothways.trust.verdict import Trusted

Rule = PeerRule | CelRule
CEL = "cel"  # the kind of a rule that is an expression

# Kinds of rules: those first that differ most from peer to peer.
_NAMING = (
    "fingerprint", "spki", "psk", "uri", "dns", "email", "ip", "subject", "cn", "dn", "ou", "issuer", "anchor",
    "policy", "key", "lifetime",
)  # fmt: skip


class AnyOf:
    """Rules of which one has to match. Those that differ by one kind alone are joined, and compared together.

    So the time does not grow with the number of rules, as long as each names its peers by one kind, and requires the
    same of them otherwise; expressions are asked last, and are bounded in number. Raises ConfigError for too many.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        joined: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], list[str]] = {}
        expressions: list[CelRule] = []
        for each in rules:
            if isinstance(each, CelRule):
                expressions.append(each)
                continue
            naming = min(each.kinds, key=_NAMING.index)
            others = tuple((kind, getattr(each, kind)) for kind in each.kinds if kind != naming)
            joined.setdefault((naming, others), []).extend(getattr(each, naming))
        check_together(expressions)
        named = [PeerRule(**{naming: values, **dict(others)}) for (naming, others), values in joined.items()]
        self._rules: tuple[Rule, ...] = (*named, *expressions)

    def allows(self, verdict: Trusted) -> bool:
        """Whether a trusted peer with this verdict matches one of the rules."""
        return any(each.allows(verdict) for each in self._rules)


def check_together(rules: Sequence[Rule]) -> None:
    """Raise ConfigError where rules about one peer have more expressions than are evaluated in little time."""
    sizes = [len(each.expression) for each in rules if isinstance(each, CelRule)]
    if len(sizes) > MOST_EXPRESSIONS or sum(sizes) > MOST_TOGETHER:
        raise ConfigError(
            f"{len(sizes)} rules with `cel` of {sum(sizes)} characters; at most {MOST_EXPRESSIONS} of {MOST_TOGETHER} "
            "characters together are possible"
        )


def parsed_rule(text: str) -> Rule:
    """Read a rule of one kind, written KIND=VALUE. Raises ConfigError."""
    kind, _, value = text.partition("=")
    if kind not in (*COMPILERS, CEL) or not value:
        kinds = ", ".join((*COMPILERS, CEL))
        raise ConfigError(f"{shown(text)}: expected KIND=VALUE, where KIND is one of {kinds}")
    return CelRule(value) if kind == CEL else PeerRule(**{kind: value})
