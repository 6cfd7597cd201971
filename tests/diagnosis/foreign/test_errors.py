"""Exceptions that contain no error of ours, and which of what they hold decides."""

from __future__ import annotations

import smtplib
import ssl
import urllib.error
import urllib.request

import pytest

from bothways import explain_failure
from bothways.diagnosis.causes import Cause


def test_an_error_of_the_system_inside_is_explained_as_before() -> None:
    refused = urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
    assert explain_failure(refused).first.cause is Cause.NOTHING_LISTENS


@pytest.mark.parametrize(
    "error",
    [SystemExit(407), ValueError("407"), KeyError("code"), ssl.SSLWantReadError(), StopIteration(530)],
)
def test_numbers_alone_are_no_status(error):
    assert explain_failure(error).first.cause in (Cause.OTHER_ERROR, Cause.LOCAL_FAILURE)


class Hostile(Exception):
    """Every attribute and the text raise."""

    def __getattribute__(self, name: str) -> object:
        if name in ("response", "status", "code", "details", "headers", "sqlstate", "smtp_code", "rc"):
            raise RuntimeError(name)
        return super().__getattribute__(name)

    def __str__(self) -> str:
        return "hostile"


def test_attributes_that_raise() -> None:
    assert explain_failure(Hostile()).first.cause is Cause.OTHER_ERROR


def test_texts_of_a_server_are_escaped() -> None:
    error = smtplib.SMTPResponseException(535, b"bad \x1b[2J\r\nX: y")
    assert "\x1b" not in str(explain_failure(error))
