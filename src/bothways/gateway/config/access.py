"""The rules of a route as the file of a gateway writes them: `allow` and `deny`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache

from bothways.errors import ConfigError
from bothways.gateway.access import ANYBODY, Access, AccessRule
from bothways.gateway.config.strict_toml import Table
from bothways.trust.access.cel import CelRule
from bothways.trust.access.peer_rules import CEL, Rule, check_together
from bothways.trust.access.rule import PeerRule

LIFETIME = "lifetime"  # in days, so that a number may stand for it
PSK = "psk"  # what no client of a gateway has
MOST_RULES = 4096  # that are kept for the next configuration
RULE_KINDS = tuple(each.name for each in fields(PeerRule) if each.init and each.name != PSK)


def access_in(table: Table) -> Access:
    """Read the rules. Nobody is let in by omission: all verified clients are only by these words."""
    deny = tuple(_rule(each) for each in table.tables("deny"))
    _check_expressions(table, deny)
    if not isinstance(table.peek("allow"), list | dict | None):
        if table.peek("allow") != ANYBODY:
            table.refuse(f'expected [[{table.name}.allow]] tables, or the text "{ANYBODY}"', "allow")
        table.text("allow")
        return Access(None, deny)
    rules = tuple(_rule(each) for each in table.tables("allow"))
    if not rules:
        table.missing("allow", f': nobody could pass; add [[{table.name}.allow]], or allow = "{ANYBODY}"')
    _check_expressions(table, (*deny, *rules))
    return Access(rules, deny)


def _check_expressions(table: Table, rules: Sequence[AccessRule]) -> None:
    try:
        check_together([each.peers for each in rules])
    except ConfigError as error:
        table.refuse(str(error))


def _rule(table: Table) -> AccessRule:
    name = table.text("name")
    if table.has(PSK):
        table.refuse(
            "holds for nobody: clients of a gateway have certificates, and none a pre-shared key, "
            "which `bothways serve` accepts",
            PSK,
        )
    given = {
        kind: values
        for kind in RULE_KINDS
        if (values := table.texts(kind, numbers=kind == LIFETIME)) is not None
    }
    expression = table.text(CEL)
    table.end()
    peers: Rule
    if expression is None:
        peers = _peer_rule(table, given)
    else:
        also = _peer_rule(table, given) if given else None
        peers = table.made(CEL, lambda: CelRule(expression, also))
    return AccessRule(name or str(peers), peers)


def _peer_rule(table: Table, given: dict[str, tuple[str, ...]]) -> PeerRule:
    if not given:
        table.refuse(f"says of nobody that it holds; add one of {', '.join((*RULE_KINDS, CEL))}")
    for kind, values in given.items():
        try:
            compiled(((kind, values),))
        except ConfigError as error:
            table.refuse(str(error).removeprefix(f"{kind}: "), kind)
    return table.made(next(iter(given)), lambda: compiled(tuple(given.items())))


@lru_cache(MOST_RULES)
def compiled(given: tuple[tuple[str, tuple[str, ...]], ...]) -> PeerRule:
    """Return the rule with these values of each kind; that of an earlier configuration where it had the same.

    Raises ConfigError.
    """
    return PeerRule(**dict(given))
