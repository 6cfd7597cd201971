"""Texts by which TLS implementations say why a certificate did not verify, whoever passes them on, and other texts
about certificates.

Those of OpenSSL, also as the codes of Node.js and in Python, of GnuTLS, Go, Java, rustls, NSS, mbed TLS, wolfSSL, .NET
and Windows. A text of a peer proves nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bothways.diagnosis.replies.texts import Meaning, TextMatch, Texts, match_text, texts

_CERT = r"cert(?:ificate)?s?"
_KIND = r"(?:client |ssl |tls |peer |x\.?509 |user |mutual tls )"
_IS = r"(?:is |was |has been |has )?"
# In front of a reason that is one word, as in rustls' "invalid peer certificate: Expired".
_SAID = r"(?:cert(?:ificate)?|verify|verification)\W{1,4}"
_LIST = r"(?:(?<![a-z])crl|revocation list|ocsp (?:responder|response|server))"
_ALTERNATIVE = r"\b(?:sans?|subject ?alt(?:ernative)? ?names?)\b"
_ENTRY = r"(?:extension |entry |entries )?(?:is |are |was |were )?"
_OF_TYPE, _THAT = r"(?:of type .{1,24} )?", r"(?:the |your )?(?:client )?"
_TIMED = r"(?:: current time \S{1,40} is after \S{1,40})?"
_UNIX = r"(?:: verification time \d{1,12})?"


def _spelled(*rows: tuple[Meaning, tuple[str, ...]]) -> Texts:
    """Return a table whose spaces may be missing, underscores or hyphens, as in codes and in names of exceptions."""
    return texts(
        *((meaning, tuple(each.replace(" ", "[ _-]?") for each in patterns)) for meaning, patterns in rows)
    )


# The first row that matches counts: what is certain to be about one reason is before what may be said of all.
CERTIFICATES = _spelled(
    (
        Meaning.CERTIFICATE_WANTED,
        (r"no required (?:ssl|tls) certificate was sent", r"\b403[.]7\b[^<\n]{0,80}"),
    ),
    (Meaning.CERTIFICATE_WRONG, (r"the ssl certificate error", r"tls certificate failed verification")),
    (Meaning.LATER_IMPOSSIBLE, (r"cannot perform post handshake authentication",)),
    (
        Meaning.CERTIFICATE_REVOKED_OR_NOT,
        (r"\b403[.]13\b[^<\n]{0,80}", r"revoked,? or (?:the|its) revocation status"),
    ),
    (Meaning.CERTIFICATE_UNTRUSTED, (r"\b403[.]16\b[^<\n]{0,80}",)),
    (Meaning.CERTIFICATE_EXPIRED, (r"\b403[.]17\b[^<\n]{0,80}",)),
    (
        Meaning.CERTIFICATE_STATUS,
        (
            r"unable to get (?:certificate )?crl",
            r"(?<![a-z])crl (?:is |has )?(?:not yet valid|expired)",
            r"(?<![a-z])crl signature failure",
            r"(?:unknown|undetermined|determine|check) revocation status",
            r"unable to check revocation",
            r"revocation (?:status )?check (?:failed|failure|error)",
            rf"{_LIST} (?:could not|cannot|can not) be (?:down loaded|fetched|retrieved|loaded|found|reached)",
            rf"(?:unable|failed|could not|cannot) (?:to )?(?:down load|fetch|retrieve|load|reach) (?:the )?{_LIST}",
            rf"{_LIST} (?:is |was )?(?:unavailable|unreachable|not available|not reachable|out of date|outdated)",
            r"revocation status (?:is )?(?:unknown|undetermined|could not|cannot)",
            r"expired revocation list",
            r"(?:ocsp|cert(?:ificate)?) status\W{1,3}(?:is )?(?:unknown|undetermined)",
            r"offline revocation",
            r"no revocation check",
            r"revocation (?:server (?:is |was )?)?offline",
            r"revocation or ocsp data are (?:old|issued)",
            r"ocsp (?:verification needed|response (?:is |has )?(?:expired|too old))",
        ),
    ),
    (
        Meaning.CERTIFICATE_REVOKED,
        (
            rf"{_CERT} {_IS}revoked",
            rf"revoked {_KIND}?cert",
            r"certificate chain is revoked",
            r"certificate (?:status\W{1,3}revoked|is on hold|on hold)",
            r"crypt e revoked",
            r"(?:crl|ocsp) cert revoked",
            rf"{_SAID}revoked\b",
        ),
    ),
    (
        Meaning.CERTIFICATE_NOT_YET_VALID,
        (
            r"certificate has expired or is not yet valid: current time \S{1,40} is before \S{1,40}",
            rf"{_CERT} {_IS}(?:not yet valid|not valid yet)",
            rf"not yet valid {_KIND}?cert",
            r"validity starts in the future",
            r"validity (?:period )?(?:has )?not (?:yet )?(?:started|begun)",
            r"not ?before is in the future",
            rf"{_CERT} {_IS}(?:not active yet|not yet active)",
            r"current date before",
            rf"{_SAID}not (?:valid yet|yet valid)",
        ),
    ),
    (
        Meaning.CERTIFICATE_EXPIRED,
        (
            rf"{_CERT} {_IS}expired(?: or is not yet valid{_TIMED}|{_UNIX})",
            rf"{_CERT} {_IS}expired(?: or not yet valid)?",
            rf"expired {_KIND}?cert",
            r"(?:uses|with an?) expired certificate",
            r"certificate validity (?:period )?(?:has )?expired",
            r"cert e expired",
            r"expired issuer certificate",
            rf"{_CERT} {_IS}out of date",
            r"certificate date is invalid",
            r"not time valid",
            r"(?:not within|outside)(?: of)? its validity period",
            r"(?:validity|timestamp) check failed",
            r"current date after",
            rf"{_SAID}expired\b",
        ),
    ),
    (
        Meaning.CERTIFICATE_USE,
        (
            r"(?:certificate specifies an )?incompatible key usage",
            r"(?:unsuitable|unsupported|invalid|wrong) (?:certificate )?purpose",
            r"extended key usage does not (?:permit|allow)",
            r"does not allow (?:extended key usage|digital signature)",
            r"not authorized for an extended key usage",
            r"not valid for (?:the )?(?:requested )?usage",
            r"cert e wrong usage",
            r"inadequate (?:cert type|key usage)",
            r"required eku not found",
            r"invalid (?:eku|extended key usage)",
            r"(?:client auth|eku|extended key usage) (?:eku )?(?:is )?(?:missing|absent)",
            r"not (?:suitable|intended|valid|meant|allowed) for (?:use in )?client auth",
            r"does not match the intended purpose",
            r"usage does not match the (?:extended )?key usage",
            r"(?:lacks?|missing|without|not (?:have|include|contain)) (?:the )?(?:eku|extended key usage|client auth)",
        ),
    ),
    (
        Meaning.CERTIFICATE_WEAK,
        (
            r"(?:ca|ee) (?:certificate )?(?:key|md) too (?:weak|small)",
            r"signature digest algorithm too weak",
            r"insecure algorithm",
            r"algorithm constraints check failed",
            r"unacceptable hash",
            r"\bweak (?:signature |key |hash )?(?:algorithm|key|hash|signature)",
            r"(?:rsa|ec|dsa|public|certificate) key (?:is )?too (?:small|short|weak)",
            r"key (?:size|length) (?:is )?too (?:small|short|weak)",
            r"cert(?:ificate)? invalid (?:rsa |ec )?key size",
        ),
    ),
    (
        Meaning.CERTIFICATE_NOT_CA,
        (
            r"\binvalid ca\b",
            r"not authorized to sign other certificates",
            r"(?:this|issuer) is not a ca\b",
            r"end entity used as ca",
            r"key usage (?:does not include certificate signing|no certsign)",
        ),
    ),
    (
        Meaning.CERTIFICATE_NAMES,
        (
            r"(?:permitted|excluded) (?:subtree )?violation",
            r"not authorized to sign for this name",
            r"violates the signer.?s constraints",
            r"name constraints? (?:violat|check failed)",
            r"not in name space",
        ),
    ),
    (
        Meaning.CERTIFICATE_NAMELESS,
        (
            r"relies on legacy common name",
            rf"{_CERT} (?:(?:has|have|contains?|with) no|without|lacks?|is missing) (?:an? |any )?{_ALTERNATIVE}",
            rf"\b(?:no|missing) {_ALTERNATIVE} {_ENTRY}(?:present|found|{_OF_TYPE}in {_THAT}{_CERT})",
            rf"{_ALTERNATIVE} (?:extension )?(?:is |are )?(?:missing|absent|required|not (?:present|found))",
        ),
    ),
    (
        Meaning.CERTIFICATE_CHAIN_LONG,
        (
            r"(?:certificate|cert) chain too long",
            r"maximum path depth exceeded",
            r"cert(?:ificate)? chain exceeded limit",
            r"too many intermediates",
            r"path length (?:constraint )?exceeded",
            r"path len constraint violated",
        ),
    ),
    (
        Meaning.CERTIFICATE_SIGNATURE,
        (
            r"(?:certificate|cert)(?:.?s)? signature failure",
            r"\bsignature check failed",
            r"not signature valid",
            r"signature in the certificate is invalid",
            rf"{_SAID}bad signature",
        ),
    ),
    (
        Meaning.CERTIFICATE_CHAIN_SHORT,
        (
            r"incomplete (?:certificate )?chain",
            r"chain (?:is |was )?incomplete",
            r"missing intermediate",
            r"intermediate (?:ca )?(?:certificate )?(?:is |was )?(?:missing|not (?:sent|provided|presented|found))",
        ),
    ),
    (
        Meaning.CERTIFICATE_UNTRUSTED,
        (
            rf"untrusted {_KIND}?cert",
            rf"{_CERT} {_IS}(?:untrusted|not trusted)",
            r"unable to find valid certification path",
            r"path does not chain with any of the trust anchors",
            r"no trusted certificate found",
            r"certificate signed by unknown authority",
            r"unable to get (?:local )?issuer(?: cert(?:ificate)?)?(?: locally)?",
            r"unable to verify (?:the first certificate|leaf signature)",
            r"issuer (?:is |was )?(?:unknown|not (?:trusted|found|accepted|recognized))",
            r"unknown (?:ca\b|issuer|certificate authority)",
            r"(?:\bun|\bnot )trusted (?:ca\b|root|issuer|certificate authority)",
            r"not trusted by the trust provider",
            r"issued by an authority that is not trusted",
            r"could not be built to a trusted root",
            r"cert e (?:untrusted root|chaining)",
            r"partial chain",
            r"not correctly signed by the trusted ca",
            r"no signer error",
            r"self signed cert(?:ificate)?(?: in (?:certificate )?chain)?",
        ),
    ),
    (
        Meaning.CERTIFICATE_WANTED,
        (
            rf"{_CERT} (?:header )?{_IS}(?:required|missing|needed|absent)",
            r"(?:\bno|missing) (?:x )?(?:forwarded |ssl |tls )*client cert(?:ificate)? header",
            rf"{_CERT} {_IS}not (?:been )?(?:available|provided|presented|sent|supplied|found)",
            r"certificate must be (?:provided|presented|sent|supplied)",
            rf"\b(?:no|missing|requires?|without|provide|present|needs?) (?:an? )?(?:valid )?{_KIND}certificate",
            r"no certificate (?:was )?(?:sent|provided|presented|found|supplied)",
            r"no client cert\b",
            r"(?:not|n't) (?:present|provide|return|send) (?:an? )?(?:valid |any )?(?:ssl |client )?certificate",
            r"empty client certificate chain",
            r"(?:mtls|mutual tls|two way (?:ssl|tls)) (?:authentication )?(?:is )?(?:required|needed)",
            r"(?:requires?|needs?) (?:mtls|mutual tls|two way (?:ssl|tls))",
            r"client verify\W{1,3}none\b",
            r"peer sent no certificates?",
            r"system:anonymous",
        ),
    ),
    (
        Meaning.CERTIFICATE_WRONG,
        (
            rf"(?:invalid|bad|unacceptable|unverified|rejected) {_KIND}?certificate",
            rf"{_CERT} {_IS}(?:invalid|unacceptable|rejected|not (?:valid|accepted|recognized|verified))",
            r"cert(?:ificate)? (?:verify|verification|validation) (?:failed|failure|error)",
            r"remote certificate chain errors",
            rf"could not verify (?:the )?{_KIND}certificate",
        ),
    ),
    (
        Meaning.FORBIDDEN,
        (
            r"certificate authentication failed",
            r"certificate .{0,40}not (?:authorized|allowed|permitted|mapped|registered)",
            r"certificate .{0,40}does not match (?:the )?(?:user|account)",
            r"no user (?:found )?for (?:this |the )?certificate",
        ),
    ),
)

# Every text of the table has one of these words, or is at most this far from one.
_WORDS = re.compile(
    r"cert|issuer|usage|purpose|revo|crl|ocsp|valid|expired|signature|signer|trust|authority"
    r"|too[ _-]?(?:weak|small|short|long)|constraint|intermediate|depth|eku|anonymous|\b403[.]|mtls|mutual|two[ _-]way"
    r"|client[ _-]?(?:auth|verify)|not[ _-]?before|unacceptable|insecure|weak|algorithm|name[ _-]?space|violation"
    r"|current[ _-]?date|timestamp|unknown[ _-]?ca|chain|common[ _-]?name|subject[ _-]?alt|\bsans?\b"
)
_BEFORE, _AFTER = 48, 144  # characters
EXAMINED = 2048  # characters
_BETWEEN = "\0" * 8  # which no text of the table has in it


def about_certificates(text: str) -> TextMatch | None:
    """Return what a text says about a certificate, by the first entry that matches; of a long one in parts of it."""
    text = text if len(text) <= EXAMINED else _excerpts(text)
    found = match_text(_NOT_OURS.sub(_blank, _NEEDLESS.sub(_blank, text)), CERTIFICATES)
    if found is not None and "issuer" in found.text.lower() and not _OF_TLS.search(text):
        return None  # tokens have issuers too (RFC 7519 4.1.1)
    return found


def _blank(match: re.Match[str]) -> str:
    return "\0" * len(match[0])


def _excerpts(text: str) -> str:
    """Return the first parts of a text that may be about a certificate, at most `EXAMINED` characters of it."""
    parts, at, left = [], 0, EXAMINED
    lower = text.lower()
    text = text if len(lower) == len(text) else lower  # a place in one is none in the other
    while left > 0 and (found := _WORDS.search(lower, at)) is not None:
        part = text[max(at, found.start() - _BEFORE) : found.end() + _AFTER][:left]
        parts.append(part)
        left -= len(part)
        at = found.end() + _AFTER
    return _BETWEEN.join(parts)


# Of a CA's interface, of licences, and of what is behind the server.
_NOT_OURS = re.compile(
    r"certificate (?:signing )?requests?|(?:licen[cs]e|gift|upstream|backend|webhook|origin) certificate",
    re.IGNORECASE,
)
_OF_TLS = re.compile(r"cert(?!ain)|x\.?509|\bssl|tls|pkix|sec[ _]error|peer", re.IGNORECASE)
# That none is wanted is said where the reason is another one.
_NEEDLESS = re.compile(
    r"certificate (?:is |are )?(?:not (?:required|needed|necessary)|optional)"
    r"|(?:not|n't) (?:require|need) (?:an? |any )?(?:client |ssl |tls )?certificate"
    r"|no (?:client |ssl |tls )?certificate (?:is )?(?:required|needed|necessary)",
    re.IGNORECASE,
)


def says_needless(text: str) -> bool:
    """Whether a text says that no certificate is required."""
    return _NEEDLESS.search(text) is not None


_OF_GO = re.compile(
    r"current time (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)? is", re.IGNORECASE
)
_OF_RUSTLS = re.compile(r"verification time (\d{9,11})", re.IGNORECASE)


def verification_time(text: str) -> datetime | None:
    """Return the time by which a certificate was verified, where a text says it, as those of Go and rustls do."""
    try:
        if (match := _OF_GO.search(text)) is not None:
            found = datetime.fromisoformat(match[1] + (match[2] or "Z").upper())
            return found.astimezone(UTC)
        if (match := _OF_RUSTLS.search(text)) is not None:
            return datetime.fromtimestamp(int(match[1]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
