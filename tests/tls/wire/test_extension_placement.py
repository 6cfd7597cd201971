"""RFC 9846 4.3: where an extension may stand, and what it answers."""

from __future__ import annotations

import pytest

from bothways.faults import Fault
from bothways.iana import ExtensionType
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_placement import check_placement
from bothways.tls.wire.extension_table import TABLE, ExtensionContext
from faults import blames

CH, SH, SH12, HRR, EE, CT, CR, NST = ExtensionContext
EVERYTHING = frozenset(range(2**16))


@pytest.mark.parametrize("context", list(ExtensionContext))
@pytest.mark.parametrize("extension_type", sorted(TABLE))
def test_extension_is_allowed_only_in_the_messages_of_the_table(
    context: ExtensionContext, extension_type: ExtensionType
) -> None:
    """RFC 9846 4.3: recognised, but not specified for this message, is an illegal_parameter."""
    extension = ext.UnknownExtension(extension_type, b"")
    if context in TABLE[extension_type]:
        check_placement(context, (extension,), EVERYTHING)
        return
    with blames(Fault.MISPLACED_EXTENSION, extension=extension_type.name, message=context.value):
        check_placement(context, (extension,), EVERYTHING)


@pytest.mark.parametrize("context", list(ExtensionContext))
def test_repeated_extension_is_refused(context: ExtensionContext) -> None:
    """RFC 9846 4.3: no more than one extension of a type in a block, known or not."""
    twice = ext.UnknownExtension(0x7777, b"")
    with blames(Fault.DUPLICATE_EXTENSION, extension="ExtensionType 0x7777", message=context.value):
        check_placement(context, (twice, ext.UnknownExtension(0x7778, b""), twice), EVERYTHING)


@pytest.mark.parametrize("context", [SH, SH12, HRR, EE, CT])
@pytest.mark.parametrize("offered", [None, frozenset(), frozenset({0x1A1A})])
@pytest.mark.parametrize("extension_type", [0x7777, 0x0A0A])
def test_answer_to_what_was_not_offered_is_refused(
    context: ExtensionContext, offered: frozenset[int] | None, extension_type: int
) -> None:
    """RFC 9846 4.3 and RFC 8701 4: neither unknown extensions nor GREASE may come unasked."""
    with blames(Fault.UNSOLICITED_EXTENSION, message=context.value):
        check_placement(context, (ext.UnknownExtension(extension_type, b""),), offered)


def test_known_answer_to_what_was_not_offered_is_refused() -> None:
    protocols = "application_layer_protocol_negotiation"
    with blames(Fault.UNSOLICITED_EXTENSION, extension=protocols, message="EncryptedExtensions"):
        check_placement(EE, (ext.ApplicationProtocols((b"h2",)),), {0})


def test_retry_may_bring_a_cookie_unasked() -> None:
    """RFC 9846 4.3: the one exception."""
    check_placement(HRR, (ext.SelectedVersion(0x0304), ext.Cookie(b"c")), {43})


@pytest.mark.parametrize("context", [CH, CR, NST])
def test_unknown_extension_and_grease_are_ignored_in_requests(context: ExtensionContext) -> None:
    """RFC 9846 4.3.1 and RFC 8701 3."""
    check_placement(context, (ext.UnknownExtension(0x0A0A, b""), ext.UnknownExtension(0x7777, b"x")), None)


def test_shared_keys_stand_last_in_a_client_hello() -> None:
    """RFC 9846 4.3.11."""
    keys = ext.PreSharedKeys((ext.PskIdentity(b"id", 7),), (bytes(32),))
    check_placement(CH, (ext.PostHandshakeAuth(), keys), None)
    with blames(Fault.BINDER_NOT_LAST):
        check_placement(CH, (keys, ext.PostHandshakeAuth()), None)
    check_placement(SH, (ext.SelectedIdentity(0), ext.SelectedVersion(0x0304)), {41, 43})
