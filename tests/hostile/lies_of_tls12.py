"""Lies about sessions and the size of records in TLS 1.2 (RFC 5077, RFC 5246 7.3, RFC 7627, RFC 8449)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import Certificate, NewSessionTicket
from bothways.tls.wire.tls13 import Finished
from hostile.lies import Lie
from hostile.lies_at_random import one_altered
from tamper import Edit, before, changing, editing, extending, without

TWELVE: dict[str, Any] = {"version": "1.2", "retry": False, "ech": "", "compressed": ()}
ALL = ("certificates", "anonymous", "one-way")
FULL: dict[str, Any] = {"authentication": ALL, "scene": TWELVE | {"resumed": False}}
RESUMED: dict[str, Any] = {"authentication": ALL, "scene": TWELVE | {"resumed": True}}
EITHER: dict[str, Any] = {"authentication": ALL, "scene": TWELVE}
ILLEGAL, UNSUPPORTED = Alert.ILLEGAL_PARAMETER, Alert.UNSUPPORTED_EXTENSION


def entry(sender: Role, what: str, *alerts: Alert, edit: Edit, **rest: Any) -> Lie:
    return Lie(f"1.2: {what}", sender, alerts, make=lambda chance: edit, **rest)


def ticket(change: Callable[[bytes], bytes]) -> Edit:
    return editing(ClientHello, ext.SessionTicket, ticket=change)


def limited(*limits: int) -> dict[str, Any]:
    return {"authentication": ALL, "scene": TWELVE | {"limits": limits}}


CLIENT, SERVER = Role.CLIENT, Role.SERVER
LIES: list[Lie] = [
    entry(
        CLIENT,
        "a ticket that is altered",
        edit=ticket(lambda old: old[:40] + bytes([old[40] ^ 1]) + old[41:]),
        **RESUMED,
    ),
    entry(CLIENT, "a ticket that is cut off", edit=ticket(lambda old: old[:-1]), **RESUMED),
    entry(CLIENT, "a ticket of one byte", edit=ticket(lambda old: b"t"), **RESUMED),
    entry(CLIENT, "a ticket with a byte more", edit=ticket(lambda old: old + b"\0"), **RESUMED),
    entry(CLIENT, "a large ticket", edit=ticket(lambda old: bytes(60_000)), **RESUMED),
    entry(
        CLIENT,
        "a session without the extended main secret",
        Alert.HANDSHAKE_FAILURE,
        edit=without(ClientHello, ext.ExtendedMainSecret),
        **RESUMED,
    ),
    entry(
        CLIENT,
        "a session for another name",
        edit=editing(ClientHello, ext.ServerName, host_name="other.example"),
        careless=True,
        may_pass=True,
        **RESUMED,
    ),
    entry(CLIENT, "a session ID of nobody", edit=changing(ClientHello, legacy_session_id=b"n" * 32), **FULL),
    entry(
        CLIENT,
        "an altered Finished",
        Alert.DECRYPT_ERROR,
        edit=changing(Finished, verify_data=lambda old: bytes([old[0] ^ 1]) + old[1:]),
        **EITHER,
    ),
    entry(
        SERVER,
        "a session that nobody offered",
        ILLEGAL,
        edit=changing(ServerHello, legacy_session_id_echo=b"n" * 32),
        may_pass=True,
        **FULL,
    ),
    entry(
        SERVER,
        "a session with another suite",
        ILLEGAL,
        Alert.HANDSHAKE_FAILURE,
        edit=changing(ServerHello, cipher_suite=0xCCA9),
        authentication=ALL,
        scene=TWELVE | {"resumed": True, "wide": False},
    ),
    entry(
        SERVER,
        "a session without the extended main secret",
        ILLEGAL,
        Alert.HANDSHAKE_FAILURE,
        edit=without(ServerHello, ext.ExtendedMainSecret),
        **EITHER,
    ),
    entry(
        SERVER,
        "a session resumed, and not said",
        Alert.UNEXPECTED_MESSAGE,
        ILLEGAL,
        edit=changing(ServerHello, legacy_session_id_echo=b""),
        **RESUMED,
    ),
    entry(
        SERVER,
        "a certificate beside the session",
        Alert.UNEXPECTED_MESSAGE,
        edit=before(NewSessionTicket, lambda hs: hs.send(Certificate((b"c",)))),
        **RESUMED,
    ),
    entry(
        SERVER,
        "a ticket that was not announced",
        Alert.UNEXPECTED_MESSAGE,
        edit=without(ServerHello, ext.SessionTicket),
        **EITHER,
    ),
    entry(SERVER, "a ticket for no time", edit=changing(NewSessionTicket, ticket_lifetime_hint=0), **EITHER),
    entry(
        SERVER,
        "a ticket for 136 years",
        edit=changing(NewSessionTicket, ticket_lifetime_hint=2**32 - 1),
        **EITHER,
    ),
    entry(SERVER, "an empty ticket", edit=changing(NewSessionTicket, ticket=b""), **EITHER),
    entry(SERVER, "a large ticket", edit=changing(NewSessionTicket, ticket=bytes(60_000)), **EITHER),
    entry(
        SERVER,
        "an altered Finished",
        Alert.DECRYPT_ERROR,
        edit=changing(Finished, verify_data=lambda old: bytes([old[0] ^ 1]) + old[1:]),
        **EITHER,
    ),
    *(
        entry(
            CLIENT,
            f"a limit of {_got}",
            ILLEGAL,
            edit=editing(ClientHello, ext.RecordSizeLimit, limit=_got),
            **limited(512, 512),
        )
        for _got in (0, 63)
    ),
    *(
        entry(
            SERVER,
            f"a limit of {_got}",
            ILLEGAL,
            edit=editing(ServerHello, ext.RecordSizeLimit, limit=_got),
            **limited(512, 512),
        )
        for _got in (0, 63, 16_385, 65_535)
    ),
    entry(
        SERVER,
        "a limit that nobody offered",
        UNSUPPORTED,
        edit=extending(ServerHello, ext.RecordSizeLimit(512)),
        **limited(None, None),
    ),  # type: ignore[arg-type]
    *(
        Lie(
            f"1.2: anything{number}",
            role,
            tuple(Alert),
            one_altered,
            may_pass=True,
            careless=True,
            is_certain=False,
            **EITHER,
        )
        for number in range(4)
        for role in Role
    ),
]
