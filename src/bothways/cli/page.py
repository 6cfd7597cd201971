"""A page that answers any HTTP request and greets the client by the name that it has proved."""

from __future__ import annotations

from bothways.explain.escape import markup
from bothways.explain.names import every_name, known_as
from bothways.net.channel import Channel
from bothways.trust.certificate import subject_of

REQUEST_LIMIT = 64 * 1024
LINGER_SECONDS = 2.0

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


def greet(channel: Channel) -> None:
    """Read one request, answer it in one record, and close (RFC 9112 9.6)."""
    request = _request(channel)
    if request is None:
        return
    body = page(channel).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    channel.sendall(head if request.startswith(b"HEAD ") else head + body)
    channel.close(linger=LINGER_SECONDS)


def page(channel: Channel) -> str:
    """Return the page for the peer of `channel`; nothing that a certificate says becomes markup."""
    peer = channel.peer
    facts = [("Protocol", f"TLS {channel.version}, {channel.suite}"), ("Key exchange", channel.group or "")]
    if peer is None:
        title, sentence = (
            "Hello, whoever you are",
            "This server is who it says it is; you have not said who you are.",
        )
    else:
        title = f"Hello, {known_as(peer.names)}"
        sentence = "You and this server have proved to each other who you are."
        facts += [
            ("You", every_name(peer.names)),
            ("Vouched for by", ", ".join(subject_of(each) for each in peer.path[1:])),
            ("Valid until", f"{peer.verdict.valid_until:%Y-%m-%d %H:%M} UTC"),
        ]
    rows = "".join(f"<dt>{markup(name)}</dt><dd>{markup(value, 2000)}</dd>" for name, value in facts)
    return PAGE.format(title=markup(title), sentence=markup(sentence), facts=rows)


def _request(channel: Channel) -> bytes | None:
    """Return what came up to the end of a request's head; None where the client left before one word."""
    request = b""
    while b"\r\n\r\n" not in request and b"\n\n" not in request and len(request) < REQUEST_LIMIT:
        data = channel.recv(REQUEST_LIMIT)
        if not data:
            break
        request += data
    return request or None
