"""Which extensions are allowed in which message: each once, and in an answer only if it was offered (RFC 9846 4.3)."""

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
# In these messages every extension must answer one that we sent.
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
    """Blame the peer for an extension that is repeated, in the wrong message, or not offered (RFC 9846 4.3).

    offered: the codes that we sent and that this message answers; None if it answers nothing.
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
    """Return the first value that occurs a second time, in linear time, since the peer chooses the number of values."""
    seen: set[int] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    raise ValueError("no value is repeated")


def _refuse(fault: Fault, context: ExtensionContext, extension_type: int) -> None:
    blame(fault, extension=name(ExtensionType, extension_type), message=context.value)
