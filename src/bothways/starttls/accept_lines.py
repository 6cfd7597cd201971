"""How clients request TLS in protocols with text lines: SMTP and IMAP.

We answer until TLS begins and offer nothing but that; the service behind us is greeted by its client inside TLS.
"""

from __future__ import annotations

import re

from bothways.errors import StartTLSProblem
from bothways.starttls.talk import Talk, Wait

SMTP_NAME = b"mail.invalid"  # RFC 2606 2: who the service is, its own reply to EHLO says inside TLS
IMAP_CAPABILITIES = b"IMAP4rev1 STARTTLS LOGINDISABLED"
_TAG = re.compile(
    rb"[\x21\x23\x24\x26\x27\x2c-\x5b\x5d-\x7a\x7c\x7e]{1,64}"
)  # RFC 9051 9, without "+", as are ( ) { % *


def smtp(talk: Talk) -> Wait[None]:
    """RFC 3207 4: until TLS begins every command gets 530 but EHLO, NOOP, STARTTLS and QUIT."""
    talk.send(b"220 " + SMTP_NAME + b" ESMTP\r\n")
    greeted = False
    while True:
        verb, _, argument = (yield from talk.line()).partition(b" ")
        match verb.upper():
            case b"STARTTLS" if not argument.strip() and greeted:
                talk.send(b"220 2.0.0 Ready to start TLS\r\n")
                return
            case b"STARTTLS" if argument.strip():
                talk.send(b"501 5.5.4 STARTTLS has no parameters\r\n")
            case b"STARTTLS":
                talk.send(b"503 5.5.1 EHLO comes first\r\n")
            case b"EHLO" if not argument.strip():
                talk.send(b"501 5.5.4 EHLO needs a name\r\n")
            case b"EHLO":
                greeted = True
                talk.send(b"250-" + SMTP_NAME + b"\r\n250 STARTTLS\r\n")
            case b"NOOP":
                talk.send(b"250 2.0.0 OK\r\n")
            case b"QUIT":
                talk.reply_last(b"221 2.0.0 Bye\r\n")
                talk.fail(StartTLSProblem.ENDED)
            case _:
                talk.send(b"530 5.7.0 Must issue a STARTTLS command first\r\n")


def imap(talk: Talk) -> Wait[None]:
    """RFC 9051 6.2.1, 7.1: until TLS begins nothing is offered but STARTTLS (LOGINDISABLED)."""
    talk.send(b"* OK [CAPABILITY " + IMAP_CAPABILITIES + b"] TLS is required\r\n")
    while True:
        tag, _, words = (yield from talk.line()).partition(b" ")
        command, _, argument = words.partition(b" ")
        if _TAG.fullmatch(tag) is None:
            talk.malformed("a command without a tag")
        match command.upper(), argument:
            case b"STARTTLS", b"":
                talk.send(tag + b" OK Begin TLS negotiation now\r\n")
                return
            case b"CAPABILITY", b"":
                talk.send(b"* CAPABILITY " + IMAP_CAPABILITIES + b"\r\n" + tag + b" OK done\r\n")
            case b"NOOP", b"":
                talk.send(tag + b" OK done\r\n")
            case b"LOGOUT", b"":
                talk.reply_last(b"* BYE\r\n" + tag + b" OK done\r\n")
                talk.fail(StartTLSProblem.ENDED)
            case ((b"STARTTLS" | b"CAPABILITY" | b"NOOP" | b"LOGOUT"), _):
                talk.send(tag + b" BAD it has no arguments\r\n")
            case _:
                talk.send(tag + b" NO [PRIVACYREQUIRED] STARTTLS comes first\r\n")
