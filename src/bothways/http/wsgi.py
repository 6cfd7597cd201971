"""The authenticated client in a WSGI environment: variables named as in Apache's mod_ssl, and our `Peer`.

For servers that pass the socket to the application, as gunicorn and Werkzeug do. No header is read: headers are in
variables that begin with HTTP_.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from itertools import chain
from typing import Any

from cryptography.x509 import Certificate

from bothways.describe.openssl_text import serial_text, time_text
from bothways.http.caller import NAMES_LIMIT, Caller, of_socket, pem
from bothways.http.rules import REFUSED, PeerRules
from bothways.oids import ATTRIBUTES
from bothways.tls.events import Peer
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import Texts
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding.parsing import encoded
from bothways.trust.names.distinguished import attributes, identifier_text, text_of

Environ = MutableMapping[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

PEER = "bothways.peer"
PREFIXES = ("SSL_CLIENT_", "SSL_PROTOCOL", "SSL_CIPHER")
# What mod_ssl calls the attributes of names.
OF_MOD_SSL = {each: each for each in ("C", "ST", "L", "O", "OU", "CN", "UID")} | {
    "title": "T",
    "initials": "I",
    "GN": "G",
    "SN": "S",
    "description": "D",
    "emailAddress": "Email",
}
SOCKETS = ("gunicorn.socket", "werkzeug.socket")


def identity(environ: Environ) -> Peer | None:
    """Return the authenticated client of a request: a `Peer` with `names`, `path` and `verdict`.

    None for a client without a certificate, where TLS is not that of bothways, and without `WithCaller`.
    """
    peer = environ.get(PEER)
    return peer if isinstance(peer, Peer) else None


class WithCaller:
    """An application with the client's identity in its environment: `app.wsgi_app = WithCaller(app.wsgi_app)`."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        add_caller(environ)
        return self._app(environ, start_response)


class RequirePeer:
    """An application for certain clients only; all others get status 403.

    app: the application.  The rest is as for `PeerRules`.
    """

    def __init__(self, app: App, *rules: Rule, **kinds: Texts) -> None:
        self._app = app
        self._rules = PeerRules(*rules, **kinds)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, or refuse it."""
        add_caller(environ)
        if self._rules.allows(identity(environ), environ.get("PATH_INFO", "")):
            return self._app(environ, start_response)
        body = f"{REFUSED}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]


def add_caller(environ: Environ) -> None:
    """Set the variables of the client in an environment; existing ones with these names are replaced."""
    for name in [each for each in environ if each == PEER or each.startswith(PREFIXES)]:
        del environ[name]
    caller = next(filter(None, (of_socket(environ.get(name)) for name in SOCKETS)), None)
    if caller is not None:
        environ[PEER] = caller.peer
        environ.update(variables(caller))


def variables(caller: Caller) -> dict[str, str]:
    """Return the variables of mod_ssl about the connection; `SSL_CLIENT_SAN_URI_n` and `_IP_n` are our own.

    A client with a raw public key has no certificate, so it has no variables, and SSL_CLIENT_VERIFY is NONE.
    """
    certificate = None if caller.peer is None else caller.peer.certificate
    told = {"SSL_CLIENT_VERIFY": "NONE" if certificate is None else "SUCCESS"}
    if caller.version is not None:
        told["SSL_PROTOCOL"] = f"TLSv{caller.version}"
    if caller.suite is not None:
        told["SSL_CIPHER"] = caller.suite
    if caller.peer is not None and certificate is not None:
        told |= dict(_of_peer(caller.peer, certificate))
        told |= {f"SSL_CLIENT_CERT_CHAIN_{place}": pem(each) for place, each in enumerate(caller.chain[1:])}
    return told


def _of_peer(peer: Peer, certificate: Certificate) -> Iterator[tuple[str, str]]:
    names = peer.names
    yield "SSL_CLIENT_CERT", pem(certificate)
    yield "SSL_CLIENT_M_VERSION", str(certificate.version.value + 1)
    yield "SSL_CLIENT_M_SERIAL", serial_text(certificate.serial_number)
    yield "SSL_CLIENT_V_START", time_text(certificate.not_valid_before_utc)
    yield "SSL_CLIENT_V_END", time_text(certificate.not_valid_after_utc)
    parsed = ParsedCertificate(encoded(certificate))
    texts = [("S_DN", names.subject), ("I_DN", parsed.issuer_text)]
    texts += [*_attributes("S_DN", parsed.subject), *_attributes("I_DN", parsed.issuer)]
    for kind, found in (("DNS", names.dns), ("Email", names.email), ("URI", names.uri), ("IP", names.ip)):
        texts += [(f"SAN_{kind}_{place}", each) for place, each in enumerate(found[:NAMES_LIMIT])]
    for name, text in texts:
        if (
            text and text.isprintable()
        ):  # a line break in a name could become one in a header of another program
            yield (
                f"SSL_CLIENT_{name}",
                text.encode("utf-8", "replace").decode("latin-1"),
            )  # as PEP 3333 requires


def _attributes(prefix: str, name: bytes) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a name: the first of a type by its name alone, and the others with _1, _2 and so on."""
    counts: Counter[str] = Counter()
    try:
        found = chain.from_iterable(attributes(name))
    except ValueError:
        return  # of a certificate that is trusted as it is
    for kind, tag, value in found:
        short = OF_MOD_SSL.get(ATTRIBUTES.get(identifier_text(kind), ""))
        if short is not None:
            place = counts[short]
            counts[short] += 1
            yield f"{prefix}_{short}_{place}" if place else f"{prefix}_{short}", text_of(tag, value) or ""
