"""What servers say before TLS, by protocol: what turns to TLS, and what does not. Written from the RFCs and by ear."""

from __future__ import annotations

from typing import NamedTuple

from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.starttls import PROTOCOLS, StartTLS

NAME = "mail.example"


class Dialogue(NamedTuple):
    """One side of a conversation: what the server says, each time after what we said. sent: all of ours."""

    protocol: str
    parts: tuple[bytes, ...]
    sent: tuple[bytes, ...] = ()


def ldap_response(code: int, text: bytes = b"", *, number: int = 1, wide: bool = False) -> bytes:
    """A response to StartTLS; wide: with lengths of four bytes, as Microsoft's directories write them."""

    def element(tag: int, content: bytes) -> bytes:
        size = len(content).to_bytes(4, "big")
        return bytes((tag,)) + (b"\x84" + size if wide or len(content) > 127 else size[3:]) + content

    body = element(10, bytes((code,))) + element(4, b"") + element(4, text)
    oid = element(0x8A, b"1.3.6.1.4.1.1466.20037")
    return element(0x30, element(2, bytes((number,))) + element(0x78, body + oid))


def mysql_packet(payload: bytes, number: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes((number,)) + payload


def mysql_greeting(flags: int = 0xFFFF, version: bytes = b"8.0.36") -> bytes:
    head = b"\x0a" + version + b"\0" + bytes(4) + b"saltsalt\0" + flags.to_bytes(2, "little")
    return mysql_packet(
        head + b"\x21\2\0\xff\xc1\x15" + bytes(10) + b"morsaltmorsal\0mysql_native_password\0"
    )


def postgres_error(message: bytes) -> bytes:
    fields = b"SFATAL\0C53300\0M" + message + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def stream(inner: str, close: str = "") -> bytes:
    return (
        "<?xml version='1.0'?><stream:stream from='mail.example' id='a>b' xmlns='jabber:client' "
        f"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>\n{inner}{close}"
    ).encode()


TLS = "urn:ietf:params:xml:ns:xmpp-tls"
FEATURES = f"<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>"

TURNS = (
    Dialogue(
        "smtp",
        (b"220 mail.example ESMTP\r\n", b"250-mail.example\r\n250-SIZE\r\n250 STARTTLS\r\n", b"220 go\r\n"),
        (b"EHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"),
    ),
    Dialogue(
        "smtp", (b"220-a\r\n220-b\r\n220 c\r\n", b"250-x\r\n250-starttls\r\n250 HELP\r\n", b"220 2.0.0\r\n")
    ),
    Dialogue(
        "lmtp",
        (b"220 x LMTP\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n"),
        (b"LHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"),
    ),
    Dialogue(
        "imap",
        (
            b"* OK ready\r\n",
            b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n",
            b"a2 OK go\r\n",
        ),
        (b"a1 CAPABILITY\r\n", b"a2 STARTTLS\r\n"),
    ),
    Dialogue(
        "imap",
        (
            b"* OK [CAPABILITY IMAP4rev1] hi\r\n",
            b"* capability starttls\r\n* OK still here\r\nA1 ok\r\n",
            b"a2 OK\r\n",
        ),
    ),
    Dialogue(
        "pop3",
        (b"+OK ready\r\n", b"+OK\r\nUIDL\r\nSTLS\r\n.\r\n", b"+OK begin\r\n"),
        (b"CAPA\r\n", b"STLS\r\n"),
    ),
    Dialogue("pop3", (b"+OK\r\n", b"-ERR what\r\n", b"+OK begin\r\n")),
    Dialogue(
        "ftp", (b"120 in a minute\r\n220-welcome\r\n220 now\r\n", b"234 AUTH TLS\r\n"), (b"AUTH TLS\r\n",)
    ),
    Dialogue("nntp", (b"200 news\r\n", b"382 continue\r\n"), (b"STARTTLS\r\n",)),
    Dialogue("nntp", (b"201 no posting\r\n", b"382 continue\r\n")),
    Dialogue(
        "sieve",
        (b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n', b'OK "begin"\r\n'),
        (b"STARTTLS\r\n",),
    ),
    Dialogue("ldap", (ldap_response(0),), (bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037",)),
    Dialogue("ldap", (ldap_response(0, wide=True),)),
    Dialogue("ldap", (ldap_response(0, b"x" * 200),)),
    Dialogue("postgres", (b"S",), (bytes.fromhex("0000000804d2162f"),)),
    Dialogue("mysql", (mysql_greeting(),), (bytes.fromhex("20000001008a00000000000121") + bytes(23),)),
    Dialogue("mysql", (mysql_greeting(0x0800, b"5.5.5-10.11.6-MariaDB"),)),
    Dialogue(
        "xmpp",
        (stream(FEATURES), f"<proceed xmlns='{TLS}'/>".encode()),
        (
            (
                b"<?xml version='1.0'?><stream:stream to='mail.example' xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
            ),
            f"<starttls xmlns='{TLS}'/>".encode(),
        ),
    ),
    Dialogue(
        "xmpp",
        (
            stream('<stream:features><bind/><starttls xmlns="' + TLS + '"/></stream:features>'),
            f'<proceed xmlns="{TLS}"></proceed>'.encode(),
        ),
    ),
    Dialogue(
        "xmpp-server",
        (stream(FEATURES).replace(b"<?xml version='1.0'?>", b""), f"\n<proceed xmlns='{TLS}' />".encode()),
    ),
)

P = StartTLSProblem
FAILS: tuple[tuple[Dialogue, StartTLSProblem, str], ...] = (
    # the service has no TLS
    (Dialogue("smtp", (b"220 x\r\n", b"250-x\r\n250 SIZE\r\n")), P.NOT_OFFERED, "SIZE"),
    (Dialogue("smtp", (b"220 x\r\n", b"250-x\r\n250 XXXXXXXA\r\n")), P.NOT_OFFERED, "XXXXXXXA"),
    (Dialogue("smtp", (b"220 x\r\n", b"250 STARTTLS\r\n")), P.NOT_OFFERED, "STARTTLS"),  # that is its name
    (
        Dialogue("smtp", (b"220 ftp\r\n", b"530 Please login with USER and PASS.\r\n")),
        P.NOT_OFFERED,
        "530 Please",
    ),
    (Dialogue("imap", (b"* OK x\r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n")), P.NOT_OFFERED, "a1 OK"),
    (Dialogue("imap", (b"* OK x\r\n", b"* CAPABILITY XSTARTTLS\r\na1 OK\r\n")), P.NOT_OFFERED, "a1 OK"),
    (Dialogue("pop3", (b"+OK\r\n", b"+OK\r\nUIDL\r\n.\r\n")), P.NOT_OFFERED, "CAPA without STLS"),
    (Dialogue("ftp", (b"220 x\r\n", b"502 no\r\n")), P.NOT_OFFERED, "502 no"),
    (Dialogue("nntp", (b"200 x\r\n", b"500 what\r\n")), P.NOT_OFFERED, "500 what"),
    (Dialogue("sieve", (b'"IMPLEMENTATION" "x"\r\nOK\r\n',)), P.NOT_OFFERED, "OK"),
    (
        Dialogue("ldap", (ldap_response(2, b"unsupported extended operation"),)),
        P.NOT_OFFERED,
        "protocolError: unsupported",
    ),
    (Dialogue("postgres", (b"N",)), P.NOT_OFFERED, "N"),
    (Dialogue("mysql", (mysql_greeting(0xF7FF),)), P.NOT_OFFERED, "8.0.36"),
    (
        Dialogue("xmpp", (stream("<stream:features><mechanisms/></stream:features>"),)),
        P.NOT_OFFERED,
        "features",
    ),
    (Dialogue("xmpp", (stream("<stream:features/>"),)), P.NOT_OFFERED, "features"),
    (
        Dialogue("xmpp", (stream("<stream:features><starttls xmlns='urn:else'/></stream:features>"),)),
        P.NOT_OFFERED,
        "",
    ),
    # it says no
    (Dialogue("smtp", (b"554 go away\r\n",)), P.TURNED_AWAY, "554 go away"),
    (Dialogue("smtp", (b"421 busy\r\n",)), P.TURNED_AWAY, "421 busy"),
    (Dialogue("smtp", (b"220 x\r\n", b"421 x\r\n")), P.TURNED_AWAY, "421 x"),
    (Dialogue("imap", (b"* OK x\r\n", b"* BYE idle\r\n")), P.TURNED_AWAY, "* BYE idle"),
    (Dialogue("ldap", (ldap_response(51),)), P.TURNED_AWAY, "busy"),
    (
        Dialogue("smtp", (b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n")),
        P.REFUSED,
        "454 not now",
    ),
    (Dialogue("imap", (b"* BYE overloaded\r\n",)), P.TURNED_AWAY, "* BYE overloaded"),
    (Dialogue("imap", (b"* PREAUTH you are root\r\n",)), P.REFUSED, "PREAUTH"),
    (Dialogue("imap", (b"* OK x\r\n", b"* BYE\r\n")), P.TURNED_AWAY, "* BYE"),
    (
        Dialogue("imap", (b"* OK x\r\n", b"* CAPABILITY STARTTLS\r\na1 OK\r\n", b"a2 BAD TLS is off\r\n")),
        P.REFUSED,
        "a2 BAD",
    ),
    (Dialogue("pop3", (b"-ERR locked\r\n",)), P.TURNED_AWAY, "-ERR locked"),
    (Dialogue("pop3", (b"+OK\r\n", b"-ERR\r\n", b"-ERR no TLS\r\n")), P.REFUSED, "-ERR no TLS"),
    (Dialogue("ftp", (b"220 x\r\n", b"431 no key\r\n")), P.REFUSED, "431 no key"),
    (Dialogue("ftp", (b"421 x\r\n",)), P.TURNED_AWAY, "421 x"),
    (Dialogue("nntp", (b"400 x\r\n",)), P.TURNED_AWAY, "400 x"),
    (Dialogue("nntp", (b"200 x\r\n", b"580 no key\r\n")), P.REFUSED, "580 no key"),
    (Dialogue("sieve", (b'BYE "later"\r\n',)), P.TURNED_AWAY, "BYE"),
    (Dialogue("sieve", (b'"STARTTLS"\r\nOK\r\n', b'NO "no key"\r\n')), P.REFUSED, "NO"),
    (Dialogue("ldap", (ldap_response(52, b"TLS not started"),)), P.REFUSED, "unavailable: TLS not started"),
    (Dialogue("ldap", (ldap_response(8, number=0),)), P.TURNED_AWAY, "strongerAuthRequired"),
    (Dialogue("ldap", (ldap_response(90),)), P.REFUSED, "result 90"),
    (Dialogue("postgres", (postgres_error(b"sorry, too many clients"),)), P.TURNED_AWAY, "too many clients"),
    (Dialogue("postgres", (b"EFATAL: old\n\0",)), P.TURNED_AWAY, "FATA"),
    (
        Dialogue("mysql", (mysql_packet(b"\xff\x6a\x04Host 'a' is not allowed"),)),
        P.TURNED_AWAY,
        "Host 'a' is not allowed",
    ),
    (
        Dialogue("xmpp", (stream("<stream:error><host-unknown xmlns='x'/></stream:error>"),)),
        P.TURNED_AWAY,
        "host-unknown",
    ),
    (Dialogue("xmpp", (stream(FEATURES), f"<failure xmlns='{TLS}'/>".encode())), P.REFUSED, "failure"),
    (Dialogue("xmpp", (stream(FEATURES), b"<proceed xmlns='urn:else'/>")), P.REFUSED, "proceed"),
    # another protocol, or TLS itself
    *(
        (Dialogue(name, (b"SSH-2.0-OpenSSH_9.6\r\n",)), P.OTHER_PROTOCOL, "SSH-2.0")
        for name in PROTOCOLS
        if name != "postgres"
    ),
    *(
        (Dialogue(name, (bytes.fromhex("15030300020246"),)), P.OTHER_PROTOCOL, "")
        for name in PROTOCOLS
        if name != "postgres"
    ),
    (Dialogue("smtp", (b"* OK IMAP\r\n",)), P.OTHER_PROTOCOL, "* OK"),
    (Dialogue("imap", (b"+OK POP3\r\n",)), P.OTHER_PROTOCOL, "+OK"),
    (Dialogue("postgres", (b"\x15",)), P.OTHER_PROTOCOL, ""),
    (Dialogue("postgres", (b"H",)), P.OTHER_PROTOCOL, "H"),
    (Dialogue("mysql", (mysql_packet(b"\x09five"),)), P.OTHER_PROTOCOL, ""),
    (Dialogue("mysql", (mysql_greeting()[:3] + b"\1" + mysql_greeting()[4:],)), P.OTHER_PROTOCOL, ""),
    # before its turn, or behind the switch
    *(
        (Dialogue(each.protocol, (*each.parts[:-1], each.parts[-1] + b"\x16\3\1\0\0")), P.SPOKE_AHEAD, "")
        for each in TURNS
    ),
    (
        Dialogue("smtp", (b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n")),
        P.SPOKE_AHEAD,
        "250 injected",
    ),
    (Dialogue("postgres", (b"SN",)), P.SPOKE_AHEAD, "N"),
    # against the rules
    (Dialogue("smtp", (b"220 x\n220 y\r\n",)), P.MALFORMED, "220 x"),
    (Dialogue("smtp", (b"220 a\rb\r\n",)), P.MALFORMED, "220 a"),
    (Dialogue("smtp", (b"220 a\0b\r\n",)), P.MALFORMED, "220 a"),
    (Dialogue("smtp", (b"220-a\r\n250 b\r\n",)), P.MALFORMED, "250 b"),
    (Dialogue("smtp", (b"220xa\r\n",)), P.MALFORMED, "220xa"),
    (Dialogue("imap", (b"* OK\r\n", b"a9 OK\r\n")), P.MALFORMED, "a9 OK"),
    (Dialogue("imap", (b"* OK\r\n", b"a1 WHAT\r\n")), P.MALFORMED, "a1 WHAT"),
    (Dialogue("pop3", (b"+OK\r\n", b"what\r\n")), P.MALFORMED, "what"),
    (Dialogue("pop3", (b"+OKAY\r\n",)), P.MALFORMED, "+OKAY"),
    (Dialogue("sieve", (b'"A"\r\nwhat\r\n',)), P.MALFORMED, "what"),
    (Dialogue("ldap", (ldap_response(0, number=2),)), P.MALFORMED, "success"),
    (Dialogue("ldap", (b"\x30\x03\x02\x01\x01xx",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x80\x02\x01\x01",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x85\0\0\0\0\0",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x05\x02\x7f\x01\0\0",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x07\x02\x05\0\0\0\0\1",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x05\x02\x01\x01\x78\0",)), P.MALFORMED, ""),
    (Dialogue("ldap", (b"\x30\x05\x02\x86\x01\0\0",)), P.MALFORMED, ""),
    (Dialogue("mysql", (mysql_packet(b"\x0a8.0 without an end"),)), P.MALFORMED, "8.0"),
    (Dialogue("mysql", (mysql_packet(b"\x0a8.0\0short"),)), P.MALFORMED, "8.0"),
    (Dialogue("xmpp", (b"<!DOCTYPE x><x>",)), P.OTHER_PROTOCOL, ""),
    (Dialogue("xmpp", (b"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY a 'b'>]>",)), P.MALFORMED, "DOCTYPE"),
    (Dialogue("xmpp", (stream("<!-- -->"),)), P.MALFORMED, "!--"),
    (Dialogue("xmpp", (stream("<?pi?>"),)), P.MALFORMED, "?pi"),
    (Dialogue("xmpp", (stream("<iq/>"),)), P.MALFORMED, "iq"),
    (Dialogue("xmpp", (b"<?xml version='1.0'?><html>",)), P.MALFORMED, "html"),
    (Dialogue("xmpp", (stream(FEATURES), f"<proceed xmlns='{TLS}'><x/>".encode())), P.MALFORMED, "x"),
    # beyond our limits
    (Dialogue("smtp", (b"220-" + b"x" * 5000,)), P.TOO_MUCH, "220-x"),
    (Dialogue("smtp", (b"220-" + b"x" * 5000 + b"\r\n",)), P.TOO_MUCH, "220-x"),
    (Dialogue("smtp", (b"220-x\r\n" * 300,)), P.TOO_MUCH, ""),
    (Dialogue("smtp", ((b"220-" + b"x" * 4000 + b"\r\n") * 20,)), P.TOO_MUCH, ""),
    (Dialogue("imap", (b"* OK\r\n", b"* OK\r\n" * 300)), P.TOO_MUCH, ""),
    (Dialogue("pop3", (b"+OK\r\n", b"+OK\r\n" + b"X\r\n" * 300)), P.TOO_MUCH, ""),
    (Dialogue("sieve", (b'"X"\r\n' * 300,)), P.TOO_MUCH, ""),
    (Dialogue("ldap", (b"\x30\x84\0\1\0\0",)), P.TOO_MUCH, ""),
    (Dialogue("mysql", (b"\xff\xff\xff\0\x0a",)), P.TOO_MUCH, ""),
    (Dialogue("xmpp", (stream("<a>" * 300),)), P.MALFORMED, "a"),
    (Dialogue("xmpp", (stream("<stream:features>" + "<a>" * 300),)), P.TOO_MUCH, ""),
    (Dialogue("xmpp", (stream("<stream:features>" + "<a b='" + ">" * 3000),)), P.TOO_MUCH, ""),
    (Dialogue("xmpp", (stream("<stream:features>" + "x" * 3000),)), P.TOO_MUCH, ""),
)

# Answers in one piece with what they answer before it was asked; piece by piece nobody can tell.
AHEAD = (
    Dialogue("smtp", (b"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n",)),
    Dialogue("pop3", (b"+OK\r\n+OK\r\n",)),
    Dialogue("imap", (b"* OK\r\n* CAPABILITY STARTTLS\r\na1 OK\r\na2 OK\r\n",)),
    Dialogue("xmpp", (stream(FEATURES, f"<proceed xmlns='{TLS}'/>"),)),
)


def held(dialogue: Dialogue, size: int = 0) -> tuple[StartTLS, list[bytes]]:
    """Hold a conversation in pieces of one size (0: whole parts); return it, and what we said. Raises its failure."""
    exchange = StartTLS(PROTOCOLS[dialogue.protocol], NAME)
    sent = [exchange.data_to_send()]
    for part in dialogue.parts:
        for at in range(0, len(part), size or len(part) or 1):
            exchange.receive(part[at : at + (size or len(part))])
        sent.append(exchange.data_to_send())
    return exchange, [each for each in sent if each]


def failure(dialogue: Dialogue, size: int = 0) -> StartTLSFailed | None:
    try:
        held(dialogue, size)
    except StartTLSFailed as failed:
        return failed
    return None
