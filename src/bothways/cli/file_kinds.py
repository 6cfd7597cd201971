"""Files as others hand them out, such as Java key stores, and the command that makes of each one that is read here."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from bothways.describe.documents import documents
from bothways.describe.documents.document import Unreadable
from bothways.describe.escape import visible
from bothways.errors import ConfigError
from bothways.trust import files
from bothways.trust.credentials import is_pkcs12
from bothways.trust.parsing import PassphraseNeeded

PKCS7 = "PKCS#7"
EMPTY = "write it again: the program that made it failed, or wrote to another file"
ANCHORS_OF_PKCS12 = "openssl pkcs12 -in FILE -cacerts -nokeys -out FILE.pem"


@contextlib.contextmanager
def told_apart(*paths: str | None, pkcs12: bool = True) -> Iterator[None]:
    """Where one of these files cannot be used, say what it is and which command turns it into what can.

    pkcs12: whether PKCS#12 is among what can be used. Raises ConfigError, as the body did.
    """
    try:
        yield
    except ConfigError:
        for path in paths:
            found = None if path is None else _kind(path, pkcs12=pkcs12)
            if found is not None:
                text, hint = found
                where = visible(str(path), 600)
                command = hint.replace("FILE", shlex.quote(where))
                raise ConfigError(f"{where}: {text}\nHint: {command}") from None
        raise


def _kind(path: str, *, pkcs12: bool) -> tuple[str, str] | None:
    """Return what a file is, and what to do, if it is of a kind that others use."""
    try:
        data = files.content(path)
        if is_pkcs12(data):
            text = "this is PKCS#12, and trust anchors are read from PEM or DER"
            return None if pkcs12 else (text, ANCHORS_OF_PKCS12)
        first = next(iter(documents(data, datetime.now(UTC))), None)
    except Unreadable as error:
        return (str(error), error.hint or EMPTY) if error.hint or not data.strip() else None
    except (ConfigError, PassphraseNeeded):
        return None
    if first is not None and first.damaged and first.hint:
        return first.damaged, first.hint
    if first is not None and first.kind == PKCS7:
        hint = dict(first.facts).get("for other commands", "")
        return ("this is PKCS#7, which holds certificates and no key", hint) if hint else None
    return None
