"""Rules about peers in the Common Expression Language (https://cel.dev).

An expression is compiled and its types are checked when the rule is made. What it may contain is a list, and what it is
given is bounded, so that a client cannot make it long by what it puts in its certificate: no list within a loop over
another, nothing that makes a longer text or list of another, no pattern.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bothways.arguments import text as checked_text
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.access.kinds import COMMON_NAME, ORGANIZATIONAL_UNIT, key_kind, subject_values
from bothways.trust.access.presented import parsed
from bothways.trust.access.rule import PeerRule
from bothways.trust.decoding.protobuf import NotProtobuf, fields
from bothways.trust.path.name_matching import SPIFFE
from bothways.trust.verdict import Trusted

if TYPE_CHECKING:
    from cel_expr_python.cel import Expression

INSTALL = "pip install 'bothways[cel]'"
MOST_CHARACTERS = 512  # of an expression
MOST_EXPRESSIONS = 8  # that are asked about one peer
MOST_TOGETHER = 768  # characters of these
MOST_VALUES = 64  # of one kind in a certificate
MOST_BYTES = 256  # of a value
MOST_NAME_BYTES = 1024  # of the whole subject or issuer
NEW_LINE = "\n"
LISTS = ("dns", "uri", "email", "ip", "cn", "ou")
TEXTS = ("subject", "issuer", "fingerprint", "spki", "anchor", "key")
NUMBERS = ("key_bits", "lifetime")
# What an expression is made of after its macros `all`, `exists` and `has` were expanded.
FUNCTIONS = frozenset(
    {
        "_&&_", "_||_", "!_", "_?_:_", "@not_strictly_false", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in",
        "_[_]", "size", "startsWith", "endsWith", "contains",
    }
)  # fmt: skip
_CHECKED_EXPRESSION = b"type.googleapis.com/cel.expr.CheckedExpr"
# The fields of cel.expr.Expr and of what is in it.
_NAME, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 4, 5, 6, 7, 8, 9
_OVER = 2  # of a loop: what it goes over
_PARTS = {_SELECT: (1,), _CALL: (1, 3), _LIST: (1,), _LOOP: (_OVER, 4, 5, 6, 7)}


class TooMuch(Exception):
    """A certificate has more than an expression is given."""


@dataclass(frozen=True, slots=True)
class CelRule:
    """A rule by an expression about the certificate of a peer. Raises ConfigError for a bad one, or without the extra.

    expression: has to be true for the peer; docs/gateway.md lists its names and functions.  also: what else has to
    match. For a peer without a certificate, with a raw public key or a pre-shared key, no expression is true.
    """

    expression: str
    also: PeerRule | None = None
    _compiled: Expression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", _compiled(self.expression))

    def allows(self, verdict: Trusted) -> bool:
        """Whether a trusted peer with this verdict matches: only where the expression is true."""
        return self.failing(verdict) is None

    def may_mean(self, verdict: Trusted) -> bool:
        """Whether a trusted peer may be one that the rule means, for rules that deny.

        Also by ambiguous names, as for `PeerRule.may_mean`, and where the expression cannot be evaluated.
        """
        others = self.also is None or self.also.may_mean(verdict)
        return others and any(self._outcome(verdict, strict=each) != "false" for each in (False, True))

    def failing(self, verdict: Trusted) -> str | None:
        """Return what does not match: a kind of `also`, or "cel: " and the expression's value; None where all match."""
        kind = None if self.also is None else self.also.failing(verdict)
        if kind is not None:
            return kind
        outcome = self._outcome(verdict, strict=True)
        return None if outcome == "true" else f"cel: {outcome}"

    def _outcome(self, verdict: Trusted, *, strict: bool) -> str:
        """Evaluate: "true", "false", or why it is neither."""
        try:
            value = self._compiled.eval(data=_given(verdict, strict=strict)).plain_value()
        except TooMuch as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the client does not pass by it
            return f"not evaluated, {shown(str(error).partition(NEW_LINE)[0])}"
        if not isinstance(value, bool):
            return f"not evaluated, {shown(value)}"
        return "true" if value else "false"

    def __str__(self) -> str:
        return f"cel {self.expression}" + ("" if self.also is None else f", {self.also}")


def _compiled(expression: str) -> Expression:
    try:
        from cel_expr_python import cel  # only where a rule is an expression
    except ImportError:
        raise ConfigError(
            f"an expression of CEL needs cel-expr-python, which is not installed: {INSTALL}"
        ) from None
    if len(checked_text("expression", expression)) > MOST_CHARACTERS:
        raise ConfigError(
            f"an expression of {len(expression)} characters; at most {MOST_CHARACTERS} are possible"
        )
    kinds = cel.Type
    variables = dict.fromkeys(LISTS, kinds.List(kinds.STRING))
    variables |= dict.fromkeys(TEXTS, kinds.STRING) | dict.fromkeys(NUMBERS, kinds.INT)
    try:
        made = cel.NewEnv(variables=variables).compile(expression)
    except Exception as error:  # noqa: BLE001 - RuntimeError by now
        raise ConfigError(f"no expression of CEL about a certificate: {_problem(str(error))}") from None
    if made.return_type() != kinds.BOOL:
        raise ConfigError(
            f"it is of the type {shown(made.return_type().name())}; a rule has to be true or false"
        )
    try:
        whole = dict(fields(made.serialize()))
        if whole.get(1) != _CHECKED_EXPRESSION:
            raise NotProtobuf("another form than expected")
        for number, part in fields(whole.get(2) or b""):
            if number == 4 and part is not None:
                _check(part, in_loop=False)
    except NotProtobuf as error:
        raise ConfigError(f"it is too long, or what it is made of cannot be checked: {error}") from None
    return made


def _check(expression: bytes, *, in_loop: bool) -> None:
    """Refuse what is not on the list. expression: a cel.expr.Expr."""
    for kind, content in fields(expression):
        if kind == _STRUCT:
            raise ConfigError("a map or a message is not possible in a rule")
        if kind == _LOOP and in_loop:
            raise ConfigError("`all` or `exists` within another one is not possible in a rule")
        if content is None:
            continue
        if kind == _NAME and in_loop and _text(content, 1) in LISTS:
            raise ConfigError(f"{_text(content, 1)} within `all` or `exists` is not possible in a rule")
        if kind == _CALL and (name := _text(content, 2)) not in FUNCTIONS:
            raise ConfigError(
                f"{shown(name.strip('_'))} is not possible in a rule; there are && || ! ?: == != < <= > >= in [] size "
                "startsWith endsWith contains all exists"
            )
        for number, part in fields(content) if kind in _PARTS else ():
            if number in _PARTS[kind] and part is not None:
                _check(part, in_loop=in_loop or (kind == _LOOP and number != _OVER))


def _text(content: bytes, wanted: int) -> str:
    return b"".join(part or b"" for number, part in fields(content) if number == wanted).decode(
        "utf-8", "replace"
    )


def _problem(text: str) -> str:
    """Return what the compiler says, in one line with the column."""
    lines = text.removeprefix("INVALID_ARGUMENT: ").splitlines()
    found = [each.removeprefix("ERROR: ") for each in lines if each.startswith("ERROR: ")] or lines[:1]
    return shown("; ".join(found).replace("<input>:1:", "column "))


def _given(verdict: Trusted, *, strict: bool) -> dict[str, Any]:
    """Return what an expression is given of a verified certificate. Raises TooMuch, and ValueError.

    strict: without names that do not name the peer beyond doubt.
    """
    if not verdict.path_der:
        raise TooMuch("not evaluated, there is no certificate")
    leaf, names = parsed(verdict.path_der[0]), verdict.names
    dns, uri = names.dns, names.uri
    if strict:
        dns = tuple(each for each in dns if "*" not in each)
        uri = uri if len(uri) == 1 else tuple(each for each in uri if not each.startswith(SPIFFE))
    kind, bits = key_kind(leaf.key)
    lists = {
        "dns": dns, "uri": uri, "email": names.email, "ip": names.ip,
        "cn": subject_values(verdict, COMMON_NAME), "ou": subject_values(verdict, ORGANIZATIONAL_UNIT),
    }  # fmt: skip
    texts = {
        "subject": names.subject,
        "issuer": leaf.issuer_text,
        "fingerprint": leaf.digest.hex(),
        "spki": leaf.key_digest.hex(),
        "anchor": parsed(verdict.path_der[-1]).digest.hex(),
        "key": kind,
    }
    for each in _too_much(lists, texts):
        raise TooMuch(f"not evaluated, {each}")
    days = math.ceil((leaf.not_after - leaf.not_before) / timedelta(days=1))
    return (
        {each: list(values) for each, values in lists.items()} | texts | {"key_bits": bits, "lifetime": days}
    )


def _too_much(lists: dict[str, Any], texts: dict[str, str]) -> Iterator[str]:
    for kind, values in lists.items():
        if len(values) > MOST_VALUES:
            yield f"the certificate has {len(values)} of {kind}, and at most {MOST_VALUES} are looked at"
        if any(len(each.encode("utf-8", "surrogatepass")) > MOST_BYTES for each in values):
            yield f"a {kind} of the certificate has more than {MOST_BYTES} bytes"
    for kind, text in texts.items():
        if len(text.encode("utf-8", "surrogatepass")) > MOST_NAME_BYTES:
            yield f"the {kind} of the certificate has more than {MOST_NAME_BYTES} bytes"
