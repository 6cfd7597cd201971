"""Which header fields pass from a client to a service and back.

What tells a service who the client is, or where it came from, is told by the gateway alone: such fields of a client are
removed in every spelling. Names are compared as the loosest services read them, by which every character that is no
letter and no digit is the same (CGI and WSGI write all as `_`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bothways.diagnosis.causes import Cause
from bothways.gateway.http.messages import Field, RefusedRequest, ServiceFailed

_OTHER = re.compile(rb"[^a-z0-9]")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_CONTROL = re.compile(
    rb"[\x00-\x08\x0a-\x1f\x7f]"
)  # RFC 9110 5.5: invalid, though parsers may keep most of them

# Names as `folded` returns them: of fields by which proxies tell of a client, and what CGI has as variables.
IDENTITY_PREFIXES = (
    b"client-cert",  # RFC 9440
    b"x-forwarded-",  # with X-Forwarded-Client-Cert of Envoy, X-Forwarded-Tls-Client-Cert of Traefik
    b"x-ssl",
    b"ssl-",  # nginx, ingress-nginx, Apache: SSL_CLIENT_*, SSL_SERVER_*
    b"x-tls-",
    b"tls-",
    b"x-client-",  # X-Client-Cert, X-Client-Verify, X-Client-DN, X-Client-IP
    b"x-amzn-mtls-",
    b"x-clientcert",
    b"x-arr-",  # X-ARR-ClientCert
    b"wl-proxy-",  # WL-Proxy-Client-Cert of the plug-ins of WebLogic
    b"-ws",  # $WSCC and others of the plug-ins of WebSphere
    b"cf-client-",
    b"x-remote-",
    b"x-auth-request-",
    b"x-authenticated-",
    b"x-goog-authenticated-",
    b"x-webauth-",  # X-WebAuth-User of Grafana
    b"x-spiffe-",
    b"x-envoy-",  # X-Envoy-External-Address, and fields by which clients would change what a proxy does
    b"clientcert",
    b"sslclientcert",  # SSLClientCertSubject and others of BIG-IP
    b"x-mtls-",
    b"mtls-",
    b"client-verify",
    b"client-dn",
    b"client-subject-dn",
    b"x-peer-cert",
    b"peer-cert",
    b"remote-",  # Remote-User, Remote-Groups and others of Authelia; REMOTE_ADDR
    b"sm-user",  # SM_USER of SiteMinder, which Spring Security takes, too
    b"x-ms-client-principal",
    b"x-consumer-",  # Kong
    b"x-credential-",
    b"proxy-ssl-",  # Proxy-SSL-ID and Proxy-Auth-Cert, by which Jetty takes a request for one inside TLS
    b"proxy-auth-cert",
)
IDENTITY_NAMES = frozenset(
    {
        b"forwarded",  # RFC 7239
        b"x-forwarded",
        b"x-real-ip",
        b"x-originating-ip",
        b"x-proxyuser-ip",
        b"x-original-url",  # the path that frameworks of IIS and PHP take in place of that of the request
        b"x-rewrite-url",
        b"x-url-scheme",
        b"front-end-https",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"x-cluster-client-ip",
        b"x-azure-clientip",
        b"x-original-host",
        b"x-proxied-https",
        b"x-scheme",
        b"fastly-client-ip",
        b"auth-type",
        b"proxy",  # HTTP_PROXY in CGI is the proxy of outgoing requests
    }
)
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
# What must not follow a body (RFC 9110 6.5.1): framing, routing, authentication, what changes the request.
NOT_IN_TRAILERS = frozenset(
    {
        b"host",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"content-range",
        b"cache-control",
        b"expect",
        b"max-forwards",
        b"pragma",
        b"range",
        b"authorization",
        b"cookie",
        b"set-cookie",
        b"origin",
        b"www-authenticate",
    }
)
MUST_STAY = frozenset(
    {b"host", b"content-length", b"content-type", b"content-encoding", b"cookie", b"authorization"}
)


def folded(name: bytes) -> bytes:
    """Return a name as the loosest service reads it: lower case, every other character than letters and digits `-`."""
    return _OTHER.sub(b"-", name.lower())


def is_set_by_gateway(name: bytes) -> bool:
    """Whether a field tells of a client what only the gateway may tell."""
    plain = folded(name)
    return plain in IDENTITY_NAMES or plain.startswith(IDENTITY_PREFIXES)


def nominated(fields: Iterable[Field]) -> frozenset[bytes]:
    """Return what `Connection` names, in lower case (RFC 9110 7.6.1)."""
    values = b",".join(value for name, value in fields if name == b"connection")
    return frozenset(each.strip(b" \t").lower() for each in values.split(b",")) - {b""}


def request_fields(fields: list[Field]) -> list[Field]:
    """Return those that pass to the service; Host and Content-Length are for others to write.

    Raises RefusedRequest where `Connection` would remove what a request is read by, and for control characters.
    """
    if any(_CONTROL.search(value) for _, value in fields):
        raise RefusedRequest(400, "a header field has a control character")
    named = nominated(fields)
    if named & MUST_STAY:
        raise RefusedRequest(400, "Connection names a field that belongs to the request")
    hidden = HOP_BY_HOP | named | {b"host", b"content-length"}
    return [
        each
        for each in fields
        if each[0] not in hidden and not _is_hop(each[0]) and not is_set_by_gateway(each[0])
    ]


def _is_hop(name: bytes) -> bool:
    """Whether a name is read as one of framing by a service that reads `_` as `-`."""
    return folded(name) in HOP_BY_HOP | {b"host", b"content-length"}


def response_fields(fields: list[Field]) -> list[Field]:
    """Return those that pass back to the client; Content-Length is for others to write.

    Raises ServiceFailed for a name that is no token, and for control characters (RFC 9110 5.1, 5.5).
    """
    if any(_TOKEN.fullmatch(name) is None or _CONTROL.search(value) for name, value in fields):
        raise ServiceFailed("the service sent a field that HTTP has not", why=Cause.PEER_BREAKS_RULES)
    hidden = HOP_BY_HOP | nominated(fields) | {b"content-length"}
    return [each for each in fields if each[0] not in hidden]


def trailer_fields(fields: Iterable[Field]) -> list[Field]:
    """Return those that may follow a body."""
    hidden = HOP_BY_HOP | NOT_IN_TRAILERS
    return [
        (name, value)
        for name, value in fields
        if folded(name) not in hidden and not is_set_by_gateway(name) and _CONTROL.search(value) is None
    ]


def forwarded_fields(host: str | None, authority: bytes) -> list[Field]:
    """Return the fields that say from where and how a request came. host: of the client; None for a Unix socket."""
    made = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", authority)]
    return made if host is None else [(b"x-forwarded-for", host.partition("%")[0].encode("ascii")), *made]
