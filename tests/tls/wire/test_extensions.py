"""What extensions say: values that are found by their class and compared by what they hold."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import TABLE


def test_finding_by_class() -> None:
    found = (ext.Cookie(b"c"), ext.PostHandshakeAuth())
    assert ext.find(found, ext.PostHandshakeAuth) == ext.PostHandshakeAuth()
    assert ext.find(found, ext.Padding) is None


def test_every_class_has_a_form_and_is_an_extension() -> None:
    formed = {cls for row in TABLE.values() for cls, _ in row.values()}
    assert set(get_args(ext.Extension)) == formed | {ext.UnknownExtension}


@pytest.mark.parametrize("cls", get_args(ext.Extension), ids=lambda cls: cls.__name__)
def test_a_decoded_extension_cannot_be_changed(cls: type) -> None:
    """A value may stand in a transcript, an offer and a ladder at once."""
    value = cls(*[()] * len(fields(cls)))
    with pytest.raises((FrozenInstanceError, TypeError)):
        value.anything = 1
    for field in fields(cls):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, 1)
