"""Exceptions and values of other libraries, read so that nothing they do ends the explanation."""

from __future__ import annotations

TEXT_LIMIT = 4096


def attribute(held: object, name: str) -> object:
    """Return an attribute of a library's value, or None: its properties may raise anything."""
    try:
        return getattr(held, name, None)
    except Exception:  # noqa: BLE001 - what cannot be read is not there
        return None


def text_of(error: BaseException) -> str:
    """Return the text of an exception, of limited length; "" where it cannot be read."""
    try:
        return str(error)[:TEXT_LIMIT]
    except Exception:  # noqa: BLE001 - a library's text may raise anything
        return ""


def readable(error: BaseException) -> Exception:
    """Return an exception, or one with the name of its type in its place where its text or its attributes raise."""
    name = type(error).__name__
    try:
        str(error)
        getattr(error, "situation", None)
        getattr(error, "peer", None)
    except Exception:  # noqa: BLE001 - of a library
        return RuntimeError(name)
    return (
        error
        if isinstance(error, Exception)
        else RuntimeError(f"{name}: {text_of(error)}".removesuffix(": "))
    )
