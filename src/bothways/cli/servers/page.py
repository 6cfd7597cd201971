"""Answers any HTTP request with a page that shows the client's verified name."""

from __future__ import annotations

import asyncio
import contextlib
import functools

from bothways.aio.streams import StreamReader, StreamWriter
from bothways.describe.escape import markup
from bothways.describe.names import every_name_of, peer_name
from bothways.errors import AuthenticationUnavailable, TimedOut
from bothways.trust.certificate.parsed import ParsedCertificate

HEAD_LIMIT = 16 * 1024
REQUEST_SECONDS = 30.0  # seconds for a complete request head
LINGER_SECONDS = 2.0
ENDS = (b"\r\n\r\n", b"\n\n")

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }}
  body {{ max-width: 38rem; margin: 4rem auto; padding: 0 1.25rem; }}
  dt {{ font-weight: 600; margin-top: .75rem; }} dd {{ margin: 0; overflow-wrap: anywhere; }}
</style>
<h1>{title}</h1>
<p>{sentence}</p>
<dl>{facts}</dl>
</html>
"""


async def greet(
    reader: StreamReader, writer: StreamWriter, limit: float | None, *, asks: bool = False
) -> None:
    """Read one request, answer it, and close (RFC 9112 9.6). limit: seconds for the request, if that is shorter.

    asks: request the client's certificate when its request was read, if it offers that (RFC 9846 4.7.2).
    """
    seconds = min(REQUEST_SECONDS, limit or REQUEST_SECONDS)
    try:
        async with asyncio.timeout(seconds):
            request = await _request(reader)
    except TimeoutError:
        raise TimedOut(f"the connection timed out: no request in {seconds:g} seconds") from None
    if not request:
        writer.close()
        return
    status = refusal(request)
    if status:
        kind, body = "text/plain; charset=utf-8", f"{status}\n".encode()
    else:
        if asks:
            with contextlib.suppress(AuthenticationUnavailable):
                await writer.authenticate_client(required=False)
        kind, body = "text/html; charset=utf-8", page(writer).encode()
    head = (
        f"HTTP/1.1 {status or '200 OK'}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    writer.write(head if request.startswith(b"HEAD ") else head + body)
    writer.close(linger=LINGER_SECONDS)


def refusal(request: bytes) -> str:
    """Return the status for an unacceptable request: its head is too long or incomplete, or its length is ambiguous."""
    end = min((at for each in ENDS if (at := request.find(each)) >= 0), default=None)
    if len(request) > HEAD_LIMIT and (end is None or end > HEAD_LIMIT):
        return "431 Request Header Fields Too Large"
    return "" if end is not None and has_clear_length(request[:end]) else "400 Bad Request"


def has_clear_length(head: bytes) -> bool:
    """Whether the end of a request's body is unambiguous (RFC 9112 5.1, 5.2, 6.1, 6.3, 11.2)."""
    first, *lines = head.split(b"\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    lengths = [value for name, value in fields if name == b"content-length"]
    if any(name != name.strip() for name, _ in fields) or (codings and first.rstrip().endswith(b"HTTP/1.0")):
        return False
    return codings in ([], [b"chunked"]) and (
        not lengths or (not codings and len(set(lengths)) == 1 and lengths[0].isdigit())
    )


def page(client: StreamWriter) -> str:
    """Return the page for the peer of a connection; text of a certificate is escaped."""
    peer = client.peer
    facts = [("Protocol", f"TLS {client.version}, {client.suite}"), ("Key exchange", client.group or "")]
    if peer is None:
        title, sentence = (
            "Hello, anonymous client",
            "This server has authenticated to you; you have not sent a certificate.",
        )
    else:
        title = f"Hello, {peer_name(peer)}"
        sentence = "You and this server have authenticated each other."
        facts.append(("You", every_name_of(peer)))
        if peer.certificate is not None:
            facts += [
                ("Issued by", ", ".join(map(_subject, peer.verdict.path_der[1:]))),
                ("Valid until", f"{peer.verdict.valid_until:%Y-%m-%d %H:%M} UTC"),
            ]
    rows = "".join(f"<dt>{markup(name)}</dt><dd>{markup(value, 2000)}</dd>" for name, value in facts)
    return PAGE.format(title=markup(title), sentence=markup(sentence), facts=rows)


@functools.lru_cache(maxsize=64)
def _subject(certificate: bytes) -> str:
    """Return the subject of a CA, which many clients have in common."""
    return ParsedCertificate(certificate).subject_text


async def _request(reader: StreamReader) -> bytes:
    """Return the bytes up to the end of a request's head, also if it is incomplete."""
    request, looked_at = bytearray(), 0
    while len(request) <= HEAD_LIMIT and not any(request.find(each, looked_at) >= 0 for each in ENDS):
        looked_at = max(0, len(request) - len(ENDS[0]))
        data = await reader.read(HEAD_LIMIT)
        if not data:
            break
        request += data
    return bytes(request)
