"""Exceptions of libraries that raise when they are looked at: they are explained by their type."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from bothways import Alert, PeerAlert, explain_failure, failure_of
from bothways.diagnosis.foreign.reading import TEXT_LIMIT, text_of


class WithoutText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class WithoutAttributes(Exception):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class WithoutArguments(Exception):
    @property
    def args(self) -> Any:
        raise ValueError("no arguments")


class WithoutMembers(Exception):
    @property
    def exceptions(self) -> Any:
        raise ValueError("no members")


class WithoutReason(ssl.SSLError):
    @property
    def reason(self) -> Any:
        raise ValueError("no reason")


@pytest.mark.parametrize(
    "kind", [WithoutText, WithoutAttributes, WithoutArguments, WithoutMembers, WithoutReason]
)
def test_an_exception_that_raises_when_it_is_read_is_explained(kind: type[Exception]) -> None:
    """`failure_of` and `explain_failure` never raise, for it alone and inside of another."""
    for error in (kind("a"), ExceptionGroup("several", [kind("a")])):
        assert failure_of(error) is None
        assert explain_failure(error).lines()


def test_what_cannot_be_read_is_named_by_its_type() -> None:
    """That is all that is known of it."""
    for kind in (WithoutText, WithoutAttributes, WithoutReason):
        assert kind.__name__ in "\n".join(
            (explain_failure(kind("a")).happened, *explain_failure(kind("a")).lines())
        )


def test_our_error_beside_what_cannot_be_read_is_found() -> None:
    """An exception that cannot be read hides no other."""
    ours = PeerAlert(Alert.CERTIFICATE_REVOKED, step=None, peer="server")
    for kind in (WithoutText, WithoutAttributes, WithoutArguments, WithoutReason):
        assert failure_of(ExceptionGroup("several", [kind("a"), ours])) is ours


def test_of_a_text_only_the_beginning_is_read() -> None:
    """A library may quote all that a server sent."""
    assert text_of(ValueError("x" * 100_000)) == "x" * TEXT_LIMIT
    assert text_of(WithoutText()) == ""
