"""Texts by which services say why they refuse a client, in any protocol.

They are those of nginx, Apache, HAProxy, Envoy, IIS, Azure, AWS, Kong, Vault, Kubernetes, Spring, Tomcat, Jetty,
Elasticsearch, Dovecot, Postfix and others. A text of a peer proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple


class Meaning(Enum):
    """What a reply says about our certificate or us."""

    CERTIFICATE_WANTED = "it requires a certificate and got none"
    CERTIFICATE_WRONG = "it does not accept the certificate"
    CERTIFICATE_EXPIRED = "the certificate has expired, or is outside its validity period"
    CERTIFICATE_NOT_YET_VALID = "the certificate is not yet valid"
    CERTIFICATE_REVOKED = "the certificate is revoked"
    CERTIFICATE_REVOKED_OR_NOT = "the certificate is revoked, or its revocation status cannot be determined"
    CERTIFICATE_STATUS = "the revocation status of the certificate cannot be determined"
    CERTIFICATE_UNTRUSTED = "the certificate's issuer is not trusted"
    CERTIFICATE_CHAIN_SHORT = "the chain lacks an intermediate"
    CERTIFICATE_USE = "the certificate is not for this use"
    CERTIFICATE_WEAK = "a key or a signature of the chain is too weak"
    CERTIFICATE_NOT_CA = "a certificate of the chain was issued by one that is not a CA's"
    CERTIFICATE_NAMES = "a CA of the chain is not allowed to issue for the name"
    CERTIFICATE_NAMELESS = "the certificate lacks the names that it looks for"
    CERTIFICATE_CHAIN_LONG = "the chain is longer than is allowed"
    CERTIFICATE_SIGNATURE = "a signature of the chain does not verify"
    LATER_IMPOSSIBLE = "it would request a certificate after the handshake, and cannot"
    HTTP1_WANTED = "it serves this request in HTTP/1.1 alone"
    WRONG_NAME = "it does not serve this server name"
    NO_SUCH_HOST = "it does not serve the host that the request names"
    MISDIRECTED = "the request is for another host than the server name of its connection"
    TOO_LARGE = "the request, or a part of it, is too large"
    FORBIDDEN = "we are not authorized"
    SKEWED = "the time in the request differs from its own"
    BY_RULES = "its access rules do not let this request pass"
    SHUT_OUT = "we are not authorized, before it knows who we are"
    ADDRESS_REFUSED = "it accepts nothing from our address"
    NOT_AUTHORIZED = "we are not authorized, with or without credentials"
    DENIED = "we are not authorized: by our certificate, our name or our password"
    LOGIN = "it requires credentials other than a certificate"
    PROXY_LOGIN = "a proxy requires credentials"
    NO_BACKEND = "the service behind it does not answer"
    FAILED = "it failed to process the request"
    BUSY = "it serves nobody now"
    UNWILLING = "it does not perform this request, for a reason of its own"
    ELSEWHERE = "another server of the same service performs this request"
    BLOCKED = "a filter in front of it does not let this request pass"
    NO_REQUEST = "no request arrived in time"
    NO_PROTOCOL = "no application protocol was agreed"
    PLAIN_WANTED = "it read what it received as plain text"


Texts = Sequence[tuple[re.Pattern[str], Meaning]]


def texts(*rows: tuple[Meaning, tuple[str, ...]]) -> Texts:
    """Return a table of texts: what each row says, and the patterns for it, in lower case."""
    return tuple((re.compile("|".join(patterns)), meaning) for meaning, patterns in rows)


# About the server's name, and about plain text.
PLACES = texts(
    (Meaning.NO_PROTOCOL, (r"(?:missing|unknown|no) alpn protocol", r"server does not support http/1\.1")),
    (
        Meaning.PLAIN_WANTED,
        (
            r"plain http request was sent to https port",
            r"speaking plain http to an ssl",
            r"sent an http request to an https",
            r"combination of host and port requires tls",
        ),
    ),
    (
        Meaning.WRONG_NAME,
        (
            r"did not provide a hostname using server name indication",
            r"(?:no|missing|without) (?:tls )?(?:sni|server name indication)\b",
            r"(?:sni|server name indication) (?:is )?(?:required|missing|not (?:sent|provided|present))",
            r"requires? (?:tls )?(?:sni|server name indication)\b",
        ),
    ),
    (
        Meaning.MISDIRECTED,
        (
            r"invalid hostname",
            r"invalid sni",
            r"invalid (?:http_)?host header",
            r"host does not match sni",
            r"does not match the server name indication",
            r"provided via sni and hostname",
            r"requested host does not match any subject alternative",
        ),
    ),
)

# About the size of a request, with status 400: nginx, Apache, Tomcat, Jetty, Envoy, AWS, Cloudflare, IIS.
SIZES = texts(
    (
        Meaning.TOO_LARGE,
        (
            r"headers? (?:fields? )?(?:or cookie )?(?:is |are )?too (?:large|long|big)",
            r"cookies? (?:is |are )?too (?:large|long|big)",
            r"request[- ](?:line|ur[il]|url) (?:is )?too (?:large|long|big)",
            r"size of a request header field exceeds",
            r"number of request header fields exceeds",
            r"request (?:entity|body|content) (?:is )?too (?:large|long|big)",
        ),
    ),
)

# Of web application firewalls, which know no certificates: F5, Cloudflare, Imperva, Akamai, ModSecurity, AWS.
FILTERS = texts(
    (
        Meaning.BLOCKED,
        (
            r"requested url was rejected",
            r"your support id is",
            r"(?:used|using) cloudflare to restrict access",
            r"attention required! \| cloudflare",
            r"incapsula incident",
            r"web application firewall",
            r"mod_?security",
            r"request (?:was )?blocked",
        ),
    ),
)

# Of services whose requests have a time in them: AWS, S3, and tokens (RFC 7519 4.1.4 to 4.1.6).
CLOCKS = texts(
    (
        Meaning.SKEWED,
        (
            r"request ?time ?too ?skewed",
            r"difference between the request time and",
            r"clock[ _-]skew",
            r"signature (?:has )?expired: \d",
            r"token (?:is )?used before issued",
            r"token (?:is )?not (?:yet valid|valid yet)",
            r"issued in the future",
        ),
    ),
)

BACKENDS = texts(
    (
        Meaning.NO_BACKEND,
        (
            r"\btarget_[a-z]{1,20}_(?:failed|timeout|error)\b",  # Apigee, of the service behind it
            r"\bsslhandshakefailed\b",
            r"\b(?:noactivetargets|gatewaytimeout|errorresponsecode)\b",
            r"(?:tls|ssl) handshake (?:with|to|error|fail)",
            r"upstream connect error",
            r"no healthy upstream",
            r"no server is available",
            r"maintenance downtime or capacity",
            r"query[ _]wait[ _]timeout",
            r"server login (?:has been )?fail",
            r"cannot connect to (?:server|backend)",
            r"reaching hostgroup",
        ),
    ),
    (
        Meaning.BUSY,
        (
            r"temporarily unavailable",
            r"under maintenance",
            r"overload",
            r"too many",
            r"rate limit",
            r"slow down",
            r"try again later",
            r"starting up",
            r"shutting down",
        ),
    ),
)

# Of proxies that say why they got no answer, with any failure: Apache, Go, Node, Spring, Envoy, Kong, Squid.
# With such a status a text about a certificate is most often about that of another service.
PROXIES = texts(
    (
        Meaning.NO_BACKEND,
        (
            r"error (?:during ssl handshake with|reading from) remote server",
            r"dns lookup failure for:",
            r"\bx509: [^\n<]{1,80}",
            r"certificate[_ ]verify[_ ]failed",
            r"unable to (?:get local issuer|verify the first) certificate",
            r"\b(?:econnrefused|econnreset|ehostunreach|enotfound|etimedout)\b",
            r"connection refused",
            r"no such host",
            r"\berr_(?:cannot_forward|connect_fail|dns_fail)\b",
        ),
    ),
    (
        Meaning.NO_BACKEND,
        (
            r"\bproxy error\b",
            r"proxy server (?:could not handle|received an invalid)",
            r"trying to proxy",
            r"upstream (?:connect|request|server|service|host|prematurely|sent)\b",
            r"(?:no healthy|connect(?:ing)? to|response from) upstream",
        ),
    ),
)

LOGINS = texts(
    (
        Meaning.LOGIN,
        (
            r"missing authentication (?:token|credentials|header)",
            r"full authentication is required",
            r"jwt (?:is|verif)",
            r"no api key",
            r"api[- ]key (?:is )?(?:required|missing|invalid)",
            r"invalid api[- ]key",
            r"subscription key",
            r"access token",
            r"bearer token",
            r"authorization header",
            r"permission denied: anonymous token",
            r"(?:missing|insufficient|required|requires) (?:the )?scope",
            r"insufficient_scope",
        ),
    ),
)

# In protocols whose text is one line.
LINES = texts(
    (
        Meaning.LOGIN,
        (
            r"\bnoauth\b",
            r"wrongpass",
            r"authenticationfailed",
            r"privacyrequired",
            r"\[auth\]",
            r"\[expired\]",
            r"bad password",
            r"authorization violation",
            r"authentication (?:is )?required",
            r"authentication (?:failed|unsuccessful)",
            r"content-length:\d+ +access refused for user",  # of a frame of STOMP: RabbitMQ refuses a login so
            r"invalid (?:password|credentials|login)",
            r"bad credentials",
            r"\bunauthenticated\b(?! (?:connections|clients|sessions))",
            r"login (?:incorrect|failed)",
            r"not logged in",
            r"please log ?in",
            r"password (?:is )?(?:required|incorrect)",
        ),
    ),
    (
        Meaning.FORBIDDEN,
        (
            r"noperm",
            r"authorizationfailed",
            r"access[ _](?:denied|refused)",
            r"relay(?:ing)? (?:access )?denied",
            r"administrative prohibition",
            r"not (?:allowed|authorized|permitted)",
            r"client host rejected",
            r"have no permission",
            r"\bblocked\b",
            r"\bbanned\b",
            r"\bk-lined\b",
            r"blacklist",
            r"denied redis is running",
        ),
    ),
    (
        Meaning.BUSY,
        (
            r"too many",
            r"max number of clients",
            r"no more connections",
            r"noreplicas",
            r"^-oom\b",
            r"out of memory",
            r"maximum (?:number of )?(?:allowed )?(?:connections|clients)",
            r"\[unavailable\]",
            r"\[in-?use\]",
            r"\[limit\]",
            r"max(?:imum)? (?:number of )?(?:users|sessions|logins)",
            r"\[sys/temp\]",
            r"loading",
            r"masterdown",
            r"clusterdown",
            r"^-(?:busy|tryagain)\b",
            r"service (?:is )?(?:not available|unavailable)",
            r"temporar",
            r"try again",
            r"overload",
            r"resources",
            r"shutting down",
            r"system (?:shutdown|load)",
            r"server (?:is )?(?:busy|closing|full)",
            r"\b(?:connections?|logins?|sessions?|users?|clients?) limit\b",
            r"\blimit (?:of .{1,40} )?(?:has been |is |was )?(?:reached|exceeded)",
            r"max[_ ]client[_ ]conn",
        ),
    ),
    (Meaning.ELSEWHERE, (r"^-(?:moved|ask) \d", r"^-readonly\b")),
    (Meaning.NO_REQUEST, (r"inactivity", r"\bidle\b", r"time-?out", r"timed out")),
)


_OUR_ADDRESS = r"\b(?:ip|source|client|remote|your)[ -](?:ip[ -])?address(?: [0-9a-f.:]+)?"
# Of services that refuse an address, whoever comes from it.
ADDRESSES = texts(
    (
        Meaning.ADDRESS_REFUSED,
        (
            rf"{_OUR_ADDRESS} (?:is |was |has been )?(?:not (?:allowed|permitted|authorized)|denied|blocked)",
            r"\bip(?: address)?(?: [0-9a-f.:]{2,45})? (?:is |has been |was )?(?:not allowed|denied|blocked|banned)",
            r"\byour ip (?:is|has been) not",
            r"\b(?:from )?your (?:country|region|location)\b",
            r"(?:denied|blocked|forbidden) (?:for|from) (?:your )?ip\b",
        ),
    ),
)

RATES = texts((Meaning.BUSY, (r"(?:rate limit|quota|limit of requests)", r"too many requests")))

# Of forward and reverse proxies that have rules about addresses, names and paths: Squid.
RULES = texts((Meaning.BY_RULES, (r"access control configuration prevents", r"\berr_access_denied\b")))

# Of servers that have as many clients as they accept, whatever their code says.
LIMITS = texts(
    (
        Meaning.BUSY,
        (
            r"too many",
            r"max(?:imum)? (?:number of )?(?:allowed )?(?:connections|clients|users|sessions|logins)",
            r"no more connections",
            r"limit (?:is |was )?(?:reached|exceeded)",
            r"try again",
            r"temporar",
            r"overload",
        ),
    ),
)

# Of servers that refuse an address, before they know our identity.
SHUT_OUT = texts(
    (
        Meaning.FORBIDDEN,
        (
            r"not (?:allowed|permitted)",
            r"\bblocked\b",
            r"denied",
            r"rejected",
            r"black-?list",
            r"policy-violation",
            r"banned",
        ),
    ),
)


class TextMatch(NamedTuple):
    """What a text says, and the part of it that says so."""

    meaning: Meaning
    text: str


def match_text(text: str, *tables: Texts) -> TextMatch | None:
    """Return what a text says, by the first entry that matches."""
    lower = text.lower()
    if len(lower) != len(text):  # a place in one is none in the other
        text = lower
    for table in tables:
        for pattern, meaning in table:
            if (match := pattern.search(lower)) is not None:
                return TextMatch(meaning, text[match.start() : match.end()])
    return None
