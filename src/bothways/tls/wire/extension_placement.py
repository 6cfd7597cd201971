"""Which extension may stand in which message, once, and only if it was offered (RFC 9846 4.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bothways.faults import Fault, blame
from bothways.iana import ExtensionType, name
from bothways.tls.wire.extension_table import CODES, TABLE, ExtensionContext, code
from bothways.tls.wire.extensions import Extensions

_MISPLACED = {
    context: frozenset(int(extension_type) for extension_type, row in TABLE.items() if context not in row)
    for context in ExtensionContext
}
# In these messages an extension answers one that we sent; in the others it stands by itself.
_ANSWERS = frozenset(
    {
        ExtensionContext.SH,
        ExtensionContext.SH12,
        ExtensionContext.HRR,
        ExtensionContext.EE,
        ExtensionContext.CT,
    }
)


def check_placement(
    context: ExtensionContext, extensions: Extensions, offered: Collection[int] | None
) -> None:
    """Blame an extension that stands twice, in the wrong message, or unasked for (RFC 9846 4.3).

    offered: the code points that we sent, to which this message answers; None where it answers nothing.
    """
    found = [CODES.get(type(each)) or code(each) for each in extensions]
    unique = set(found)
    if len(unique) != len(found):
        _refuse(Fault.DUPLICATE_EXTENSION, context, first_repeated(found))
    if misplaced := unique & _MISPLACED[context]:
        _refuse(Fault.MISPLACED_EXTENSION, context, min(misplaced))
    if context in _ANSWERS:
        unsolicited = unique.difference(offered or ())
        if context is ExtensionContext.HRR:
            unsolicited.discard(ExtensionType.cookie)
        if unsolicited:
            _refuse(Fault.UNSOLICITED_EXTENSION, context, min(unsolicited))
    elif context is ExtensionContext.CH and ExtensionType.pre_shared_key in found[:-1]:
        blame(Fault.BINDER_NOT_LAST)


def first_repeated(values: Iterable[int]) -> int:
    """Return the first value that stands there a second time, in one pass: a peer chooses how many there are."""
    seen: set[int] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    raise ValueError("no value is repeated")


def _refuse(fault: Fault, context: ExtensionContext, extension_type: int) -> None:
    blame(fault, extension=name(ExtensionType, extension_type), message=context.value)
