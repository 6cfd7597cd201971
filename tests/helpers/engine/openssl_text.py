"""What `openssl x509|crl|req|ocsp -text` prints, line by line, as what our words for the same file have to say.

Every line is met by a rule: it asks for words under a name of ours, or it is passed over for a reason that stands
beside it. A line that no rule meets is a failure, so that nothing is left out unnoticed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

NAME_OPTIONS = "esc_2253,sep_comma_plus,dn_rev,sname,utf8,dump_nostr,dump_der"

# Why a line of OpenSSL's has no words of ours.
HEADING = "it only begins what follows"
OCTETS = "octets of keys and signatures say nothing to a person; keys are told apart by their digests"
CURVE = "another name of a curve that is named once, or its size, which the name says"
DEFAULTED = "a default that is told as the value which it stands for"
ONE_TAG = "the tag of a value that is told as the value"
NOT_READ = "OpenSSL cannot print it"
TWICE = "OpenSSL prints it a second time"
CUT = "beyond what is shown, and counted"
IN_WORDS = "told in words, or that it cannot be read, where OpenSSL only dumps it"
BYTES = "bytes of an unknown extension beyond the first 32, which are counted"


class Want(NamedTuple):
    """Words that have to stand under a name of ours; an empty name stands for any."""

    name: str
    words: str


Answer = list[Want] | str


class Line(NamedTuple):
    """One line with the headings above it, the nearest last."""

    path: tuple[str, ...]
    text: str

    @property
    def above(self) -> str:
        return self.path[-1] if self.path else ""

    @property
    def extension(self) -> str:
        """The title of the extension that the line belongs to, without what is said of its criticality."""
        for place, heading in enumerate(self.path):
            if re.search(r"(extensions|Extensions|Requested Extensions):$", heading) and place + 1 < len(
                self.path
            ):
                return self.path[place + 1].removesuffix(" critical").removesuffix(":")
        return ""


BEGINNING = (
    r"Certificate(?: Request| Revocation List \(CRL\))?:|OCSP Re(?:sponse|quest) Data:|No Revoked Certificates\.|"
    r"Revoked Certificates:|-----(?:BEGIN|END) CERTIFICATE-----|[A-Za-z0-9+/=]{1,64}"
)


def lines(text: str) -> Iterator[Line]:
    """Walk over the lines with their headings, told by how far each is indented."""
    above: list[tuple[int, str]] = []
    for line in re.sub(r"(?<=\S)(?= {16}\S)", "\n", text).splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0 and above and not re.fullmatch(BEGINNING, stripped):
            yield Line(
                tuple(heading for _, heading in above), stripped
            )  # the bytes of an extension as they are
            continue
        while above and above[-1][0] >= depth:
            above.pop()
        yield Line(tuple(heading for _, heading in above), stripped)
        above.append((depth, stripped))


def answer(line: Line) -> Answer | None:
    """What our words have to say of a line, or why they need not; None where no rule meets it."""
    for rule in RULES:
        if re.search(rule.above, " > ".join(line.path)) and (match := re.fullmatch(rule.text, line.text)):
            return rule.answer(line, match) if callable(rule.answer) else rule.answer
    return None


def plain(text: str) -> str:
    """Words without the escapes and quotation marks that both sides use in their own ways."""
    return re.sub(r'[\\"]', "", text)


# -- parts of lines ----------------------------------------------------------------------------------------


MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def moment(text: str) -> str:
    """`Nov  3 15:48:08.5 2016 GMT` as we write it."""
    match = re.fullmatch(r"(\w{3}) +(\d+) (\d\d:\d\d:\d\d)(\.\d+)? (\d+) GMT", text)
    assert match, text
    month = MONTHS.index(match[1]) // 3 + 1
    return f"{int(match[5]):04}-{month:02}-{int(match[2]):02} {match[3]}"


def octets(text: str) -> str:
    return text.replace(":", "").lower()


def serial(text: str) -> str:
    """`4660 (0x1234)`, `-1 (-0x1)`, `12:34` or `1234` as we write it."""
    match = re.fullmatch(r"-?\d+ \((-?)0x([0-9a-f]+)\)", text)
    if match is None:
        match = re.fullmatch(r"(?: ?\(Negative\))?(-?)([0-9A-Fa-f:]+)", text)
    assert match, text
    digits = octets(match[2]).lstrip("0") or "0"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    return ("-" if match[1] or "Negative" in text else "") + digits


def attributes(text: str) -> list[str]:
    """The attributes of a name on one line, in either of OpenSSL's ways."""
    if text.startswith("/"):
        parts = re.split(r"(?<!\\)/(?=[A-Za-z0-9.]+=)", text[1:])
        return [re.sub(r"\\(x[0-9A-F]{2}|.)", _unescaped, each) for each in parts]
    return [re.sub(r" = ", "=", each, count=1) for each in re.split(r"(?:, | \+ )(?=[A-Za-z0-9.]+ = )", text)]


def _unescaped(match: re.Match[str]) -> str:
    return match[1] if len(match[1]) == 1 else "\\" + match[1]


GENERAL = re.compile(
    r", ?(?=(?:DNS|URI|email|IP Address|IP|DirName|Registered ID|othername|X400Name|EdiPartyName):)"
)


def names(where: str, text: str) -> list[Want]:
    """The names on a line: `DNS:a.example, IP Address:10.0.0.1`."""
    return [want for each in GENERAL.split(text) for want in name(where, each)]


def name(where: str, text: str) -> list[Want]:
    kind, _, value = text.partition(":")
    match kind:
        case "DNS" | "URI" | "email":
            return [Want(where, f"{kind} {value}")]
        case "IP Address" | "IP":
            return [Want(where, f"IP {address(value)}")]
        case "DirName":
            return [Want(where, each) for each in attributes(value)]
        case "Registered ID":
            return [
                Want(where, "registered identifier"),
                Want(where, {"organizationName": "O"}.get(value, value)),
            ]
        case "X400Name":
            return [Want(where, "X.400 address")]
        case "EdiPartyName":
            return [Want(where, "EDI party")]
        case "othername":
            return other_name(where, value.strip())
    raise AssertionError(text)


def other_name(where: str, text: str) -> list[Want]:
    """`UPN::you@example`, `1.2.3::<unsupported>` or `<unsupported>`; since OpenSSL 3.6 with one colon."""
    kind, _, value = text.replace("::", ":", 1).partition(":")
    wants = (
        []
        if kind == "<unsupported>"
        else [Want(where, {"UPN": "user principal name"}.get(kind, KNOWN_FORMS.get(kind, kind)))]
    )
    return wants + ([Want(where, value)] if value and value != "<unsupported>" else [])


KNOWN_FORMS = {"1.3.6.1.5.2.2": "Kerberos principal"}


def address(text: str) -> str:
    if "<invalid" in text:
        return "address of"
    if "/" not in text:
        return str(ipaddress.ip_address(text))
    base, mask = (ipaddress.ip_address(each) for each in text.split("/"))
    bits = bin(int(mask)).count("1")
    is_prefix = int(mask) == (1 << mask.max_prefixlen) - (1 << (mask.max_prefixlen - bits))
    return f"{base}/{bits}" if is_prefix else f"{base}/{mask}"


def listed(where: str, text: str, words: dict[str, str]) -> list[Want]:
    return [Want(where, words.get(each, each)) for each in text.split(", ")]


# -- names of ours for those of OpenSSL ----------------------------------------------------------------------

EXTENSIONS = {
    "X509v3 Subject Alternative Name": "alternative names",
    "X509v3 Issuer Alternative Name": "issuer alternative names",
    "X509v3 Key Usage": "key usage",
    "X509v3 Extended Key Usage": "extended key usage",
    "X509v3 Basic Constraints": "CA",
    "X509v3 Subject Key Identifier": "subject key identifier",
    "X509v3 Authority Key Identifier": "authority key identifier",
    "X509v3 Private Key Usage Period": "private key usage",
    "X509v3 Certificate Policies": "policies",
    "X509v3 Policy Mappings": "policy mappings",
    "X509v3 Policy Constraints": "policy constraints",
    "X509v3 Inhibit Any Policy": "inhibit any policy",
    "X509v3 Name Constraints": "name constraints",
    "X509v3 CRL Distribution Points": "CRL distribution points",
    "X509v3 Freshest CRL": "freshest CRL",
    "X509v3 Issuing Distribution Point": "scope",
    "X509v3 CRL Number": "CRL number",
    "X509v3 Delta CRL Indicator": "base CRL number",
    "Authority Information Access": "authority information",
    "Subject Information Access": "subject information",
    "TLS Feature": "TLS features",
    "CT Precertificate SCTs": "signed timestamps",
    "CT Certificate SCTs": "signed timestamps",
    "CT Precertificate Poison": "precertificate",
    "OCSP No Check": "OCSP no check",
    "OCSP Nonce": "nonce",
    "Acceptable OCSP Responses": "acceptable responses",
    "Netscape Cert Type": "Netscape type",
    "Netscape Comment": "Netscape comment",
    "Proxy Certificate Information": "proxy certificate",
    "sbgp-ipAddrBlock": "delegated addresses",
    "sbgp-autonomousSysNum": "delegated AS numbers",
    "Professional Information or basis for Admission": "admissions",
    "Signing Tool of Issuer": "issuer's signing tools",
    "Signing Tool of Subject": "signing tool",
    "Microsoft certificate template": "Microsoft template",
    "1.3.6.1.4.1.311.21.7": "Microsoft template",
    "1.3.6.1.4.1.311.20.2": "Microsoft template",
    "1.3.6.1.4.1.311.21.1": "Microsoft CA version",
    "1.3.6.1.4.1.311.21.10": "application policies",
    "qcStatements": "qualified statements",
}
ENTRIES = {"X509v3 CRL Reason Code", "Invalidity Date", "X509v3 Certificate Issuer", "Hold Instruction Code"}
KEY_USAGES = {
    "Digital Signature": "digital signature",
    "Non Repudiation": "non-repudiation",
    "Key Encipherment": "key encipherment",
    "Data Encipherment": "data encipherment",
    "Key Agreement": "key agreement",
    "Certificate Sign": "certificate signing",
    "CRL Sign": "CRL signing",
    "Encipher Only": "encipher only",
    "Decipher Only": "decipher only",
}
PURPOSES = {
    "TLS Web Server Authentication": "server authentication",
    "TLS Web Client Authentication": "client authentication",
    "Code Signing": "code signing",
    "E-mail Protection": "e-mail protection",
    "Time Stamping": "time stamping",
    "OCSP Signing": "OCSP signing",
    "Any Extended Key Usage": "any purpose",
    "Microsoft Smartcard Login": "Microsoft smart card logon",
    "Microsoft Commercial Code Signing": "Microsoft commercial code signing",
    "Microsoft Individual Code Signing": "Microsoft individual code signing",
    "ipsec Internet Key Exchange": "IKE for IPsec",
    "Signing KDC Response": "Kerberos key distribution centre (PKINIT)",
    "Microsoft Encrypted File System": "Microsoft encrypted file system",
    "Netscape Server Gated Crypto": "Netscape server gated cryptography",
    "Microsoft Server Gated Crypto": "Microsoft server gated cryptography",
}
REASONS = {
    "Unspecified": "unspecified",
    "Unused": "bit 0",
    "Key Compromise": "keyCompromise",
    "CA Compromise": "cACompromise",
    "Affiliation Changed": "affiliationChanged",
    "Superseded": "superseded",
    "Cessation Of Operation": "cessationOfOperation",
    "Certificate Hold": "certificateHold",
    "Remove From CRL": "removeFromCRL",
    "Privilege Withdrawn": "privilegeWithdrawn",
    "AA Compromise": "aACompromise",
}
HASHES = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "sha224": "SHA-224"}
KEYS = {
    "rsaEncryption": "RSA",
    "id-ecPublicKey": "ECDSA",
    "dsaEncryption": "DSA",
    "ED25519": "Ed25519",
    "ED448": "Ed448",
}
CURVES = {"prime256v1": "secp256r1", "prime192v1": "secp192r1"}
POLICIES = {"X509v3 Any Policy": "any policy"}
METHODS = {
    "CA Issuers": "issuer's certificate",
    "CA Repository": "CA repository",
    "OCSP": "OCSP responder",
    "AD Time Stamping": "time stamping",
}
STATUSES = {"successful": "", "unauthorized": "unauthorized", "trylater": "tryLater"}


def title(line: Line, match: re.Match[str]) -> Answer:
    """The title of an extension: it is told, and whether it is critical."""
    known, critical = match["title"], " (critical)" if match["critical"] else ""
    if known in ENTRIES:
        return "the reason, time or issuer of an entry, asked for by its value"
    where = EXTENSIONS.get(known, f"extension {known}")
    if "Revoked Certificates:" in line.path:
        return [Want("revoked", f"{where}: ")]
    return [Want(where, critical)]


def under(tell: Callable[[str, str], Answer]) -> Callable[[Line, re.Match[str]], Answer]:
    """A rule for a line within an extension: it is given our name for the extension, and the line."""
    return lambda line, match: tell(EXTENSIONS.get(line.extension, f"extension {line.extension}"), match[0])


def group(where: str, tell: Callable[[str], str] = str) -> Callable[[Line, re.Match[str]], Answer]:
    """A rule that asks for the first group of the line under a name of ours."""
    return lambda _, match: [Want(where, tell(match[1]))]


def within(
    tell: Callable[[str], str] = str, before: str = "", after: str = ""
) -> Callable[[Line, re.Match[str]], Answer]:
    """The same, under the name of the extension."""
    return lambda line, match: [
        Want(EXTENSIONS.get(line.extension, f"extension {line.extension}"), before + tell(match[1]) + after)
    ]


def dump(line: Line, match: re.Match[str]) -> Answer:
    """A line of a dump of an unknown extension: its bytes, as far as ours go."""
    start = int(match[1], 16)
    if start >= 32:
        return BYTES
    found = match[2].replace("-", " ").split()
    if line.extension in EXTENSIONS:
        return IN_WORDS
    return [Want(f"extension {line.extension}", "".join(found)[: 2 * (32 - start)])]


def distinguished(where: str) -> Callable[[Line, re.Match[str]], Answer]:
    """A rule for a whole name; `openssl ocsp` has no options for those and writes `C=US, O=Org`."""

    def tell(_: Line, match: re.Match[str]) -> Answer:
        text = re.sub(r"=#(?:[0-9A-F]{2})+(?=[,+]|$)", lambda found: found[0].lower(), match[1])
        return [
            Want(where, each) for each in re.split(r"(?:, |(?<!\\)/)(?=[A-Za-z0-9.]+=)", text or "(empty)")
        ]

    return tell


def hashed(text: str) -> str:
    return HASHES.get(text.removesuffix(" (default)").lower().replace("sha2-", "sha"), text)


def constrained(line: Line, match: re.Match[str]) -> Answer:
    word = {"Permitted:": "only", "Excluded:": "not"}[line.above]
    kind, _, value = match[0].partition(":")
    if kind in ("DNS", "URI", "email") and not value:
        return [Want("name constraints", f"{word} {kind} (every one)")]
    return [Want("name constraints", f"{word} "), *name("name constraints", match[0])]


def skipped(after: str) -> str:
    return "at once" if after == "0" else f"after {after} more"


class Rule(NamedTuple):
    """For lines below headings: what they look like, and what they ask for or why they ask for nothing."""

    above: str
    text: str
    answer: Answer | Callable[[Line, re.Match[str]], Answer]


_HEX = r"(?:[0-9a-fA-F]{2}:)*[0-9a-fA-F]{2}:?"
_OID = r"\d+(?:\.\d+)+"
_EXTENSION = r"extensions:$|Extensions:$"

RULES = (
    # what begins something
    Rule(
        r"",
        r"(?:Certificate|Certificate Request|OCSP Response Data|OCSP Request Data|Data|X509v3 extensions|"
        r"Attributes|Requested Extensions|CRL extensions|CRL entry extensions|Subject Public Key Info|Signature Value|"
        r"Response Extensions|Response Single Extensions|Request Extensions|Requestor List|Responses|Certificate ID|"
        r"Certificate Revocation List \(CRL\)|Revoked Certificates):",
        HEADING,
    ),
    Rule(r"^OCSP Response Data:$|^$", r"-----(?:BEGIN|END) CERTIFICATE-----|[A-Za-z0-9+/=]{1,64}", TWICE),
    Rule(r"", r"Validity", HEADING),
    Rule(r"", r"No Revoked Certificates\.", [Want("revoked", "0 certificates")]),
    # keys and signatures
    Rule(
        r"",
        r"(?:Modulus|pub|P|Q|G|r|s|Prime|A|B|Generator \(uncompressed\)|Order|Seed|Polynomial):|Cofactor:.*",
        OCTETS,
    ),
    Rule(
        r"(?:Modulus|pub|P|Q|G|r|s|Prime|A|B|Generator \(uncompressed\)|Order|Seed|Signature Value|Polynomial):$",
        _HEX,
        OCTETS,
    ),
    Rule(r"Signature Value:|Signature +:", _HEX, OCTETS),
    Rule(r"", r"Signature Value: +\(INVALID PSS PARAMETERS\)", "they are told as far as they go"),
    Rule(r"", r"Public Key Algorithm: (.*)", group("public key", lambda each: KEYS.get(each, each))),
    Rule(r"id-ecPublicKey$", r"Public-Key: \((\d+) bit\)", CURVE),
    Rule(r"", r"Public-Key: \((\d+) bit\)", group("public key", "{} bits".format)),
    Rule(r"", r"(?:ED25519|ED448|X25519|X448) Public-Key:", HEADING),
    Rule(r"", r"Exponent: (\d+) \(0x[0-9a-f]+\)", group("public key", "exponent {}".format)),
    Rule(r"", r"ASN1 OID: (.*)", group("public key", lambda each: CURVES.get(each, each))),
    Rule(r"", r"NIST CURVE: .*", CURVE),
    Rule(r"", r"Field Type: .*", [Want("public key", "on a curve given by its parameters")]),
    Rule(r"", r"Unable to load Public Key", NOT_READ),
    Rule(r"", r"[0-9A-F]+:error:.*", NOT_READ),
    Rule(r"", r"No PSS parameter restrictions", "no restriction is told by telling none"),
    Rule(r"", r"PSS parameter restrictions:", [Want("public key", "only for rsassaPss")]),
    Rule(r"restrictions:$", r"Hash Algorithm: (.*)", group("public key", hashed)),
    Rule(
        r"restrictions:$",
        r"Mask Algorithm: MGF1 with (.*)",
        group("public key", lambda each: f"MGF1 with {hashed(each)}"),
    ),
    Rule(r"restrictions:$", r"Minimum Salt Length: (\d+)", group("public key", "salt of {} bytes".format)),
    Rule(r"", r"Signature Algorithm: (.*)", group("signed with", lambda each: KEYS.get(each, each))),
    Rule(r"Certificate ID:$", r"Hash Algorithm: (.*)", group("issuer", hashed)),
    Rule(r"", r"Hash Algorithm: (.*)", group("signed with", hashed)),
    Rule(
        r"", r"Mask Algorithm: mgf1 with (.*)", group("signed with", lambda each: f"MGF1 with {hashed(each)}")
    ),
    Rule(r"", r"Mask Algorithm: (.*)", group("signed with", lambda each: each.partition(" with ")[0])),
    Rule(
        r"",
        r"Salt Length: 0x([0-9A-F]+)(?: \(default\))?",
        group("signed with", lambda each: f"salt of {int(each, 16)} bytes"),
    ),
    Rule(r"", r"Trailer Field: 0x0?1(?: \(default\))?|Trailer Field: 0xBC \(default\)", DEFAULTED),
    # certificates and requests
    Rule(r"", r"Version:? (\d+) \(0x[0-9a-fA-F]+\)", group("version")),
    Rule(r"", r"Version:? [Uu]nknown \((\d+)\)", group("version", lambda each: str(int(each) + 1))),
    Rule(r"", r"Serial Number:", HEADING),
    Rule(r"Serial Number:$", r"((?: ?\(Negative\))?[0-9a-f:]+)", group("serial number", serial)),
    Rule(r"Certificate ID:$|Data:$", r"Serial Number: (.*)", group("serial number", serial)),
    Rule(r"", r"Issuer: ?(.*)", distinguished("issuer")),
    Rule(r"", r"Subject: ?(.*)", distinguished("subject")),
    Rule(r"", r"Not Before: Bad time value", [Want("valid", "(which is not a valid time)")]),
    Rule(r"", r"Not After : Bad time value", [Want("valid", "(which is not a valid time)")]),
    Rule(r"Validity$", r"Not Before: (.*)", group("valid", moment)),
    Rule(r"Validity$", r"Not After : (.*)", group("valid", moment)),
    Rule(
        r"",
        rf"(Issuer|Subject) Unique ID: *({_HEX})",
        lambda _, match: [Want(f"{match[1].lower()} unique identifier", octets(match[2]))],
    ),
    Rule(r"Attributes:$", r"\(none\)", "no attribute is told by telling none"),
    Rule(r"Attributes:$", r"(\w+) *:unable to print attribute", lambda _, match: [Want(match[1], "")]),
    Rule(r"Attributes: > (\w+) *:", r":(.*)", lambda line, match: [Want(line.above.split()[0], match[1])]),
    Rule(r"Attributes:$", r"(\w+) *:(.*)", lambda _, match: [Want(match[1], match[2])]),
    # CRLs
    Rule(r"", r"Last Update: Bad time value", [Want("this update", "(which is not a valid time)")]),
    Rule(r"", r"Last Update: (.*)", group("this update", moment)),
    Rule(r"", r"Next Update: NONE", [Want("next update", "absent")]),
    Rule(r"Certificate Revocation List", r"Next Update: (.*)", group("next update", moment)),
    Rule(
        r"Revoked Certificates:$",
        r"Serial Number: (.*)",
        group("revoked", lambda each: f"{serial(each)} on "),
    ),
    Rule(r"Serial Number: ", r"Revocation Date: (.*)", group("revoked", lambda each: f" on {moment(each)}")),
    Rule(
        r"Reason Code:(?: critical)?$",
        r"(.*)",
        lambda line, match: [
            Want(
                "revoked" if "Revoked Certificates:" in line.path else "reason",
                REASONS.get(match[1], f"reason {match[1]}"),
            )
        ],
    ),
    Rule(
        r"Invalidity Date:(?: critical)?$",
        r"(.*)",
        group("revoked", lambda each: f"invalid since {moment(each)}"),
    ),
    Rule(r"Certificate Issuer:(?: critical)?$", r"(?:<EMPTY>)", NOT_READ),
    Rule(r"Certificate Issuer:(?: critical)?$", r"(.*)", lambda _, match: names("revoked", match[1])),
    # OCSP
    Rule(r"", r"OCSP Response Status: (\w+) \(0x\d+\)", lambda _, match: [Want("", STATUSES[match[1]])]),
    Rule(r"", r"Response Type: Basic OCSP Response|Response Type: .*", "told by what it holds"),
    Rule(r"", r"Responder Id: ([0-9A-F]{40})", group("responder", str.lower)),
    Rule(
        r"",
        r"Responder Id: (.*)",
        lambda _, match: [Want("responder", each) for each in attributes(match[1])],
    ),
    Rule(r"", r"Produced At: (.*)", group("produced at", moment)),
    Rule(r"", r"Issuer (?:Name|Key) Hash: (.*)", group("issuer", str.lower)),
    Rule(r"", r"Cert Status: (\w+)", group("status", lambda each: each.replace("revoked", "REVOKED"))),
    Rule(r"", r"Revocation Time: (.*)", group("status", moment)),
    Rule(r"", r"Revocation Reason: (\w+) \(0x\w+\)", group("status")),
    Rule(r"", r"This Update: (.*)", group("this update", moment)),
    Rule(r"", r"Next Update: (.*)", group("next update", moment)),
    Rule(r"OCSP Nonce:$", r"(?:0410|0408|0414|0420)?([0-9A-F]+)", group("nonce", str.lower)),
    Rule(
        r"Acceptable OCSP Responses:$",
        r"Basic OCSP Response",
        [Want("acceptable responses", "basic OCSP response")],
    ),
    # extensions: their titles, then their values
    Rule(_EXTENSION, r"(?P<title>.*?): ?(?P<critical>critical)?", title),
    Rule(r"", r"([0-9a-f]{4}) - ((?:[0-9a-f]{2}[ -]+)+).*", dump),
    Rule(r"Alternative Name:(?: critical)?$", r"<EMPTY>", under(lambda where, _: [Want(where, "none")])),
    Rule(r"Alternative Name:(?: critical)?$", r".*", under(names)),
    Rule(
        r"X509v3 Key Usage:(?: critical)?$", r".*", under(lambda where, text: listed(where, text, KEY_USAGES))
    ),
    Rule(r"Extended Key Usage:(?: critical)?$", r"0\.", [Want("extended key usage", "empty")]),
    Rule(
        r"Extended Key Usage:(?: critical)?$", r".*", under(lambda where, text: listed(where, text, PURPOSES))
    ),
    Rule(
        r"Basic Constraints:(?: critical)?$",
        r"CA:(TRUE|FALSE)(?:, pathlen:(\d+))?",
        lambda _, match: [
            Want("CA", "yes" if match[1] == "TRUE" else "no"),
            *(
                [Want("CA", f"at most {match[2]} CA" if match[2] != "0" else "no CA below it")]
                if match[2]
                else []
            ),
        ],
    ),
    Rule(r"Subject Key Identifier:(?: critical)?$", f"({_HEX})", within(octets)),
    Rule(r"Authority Key Identifier:(?: critical)?$", r"0\.", "OCTETS of an empty sequence"),
    Rule(r"Authority Key Identifier:(?: critical)?$", f"(?:keyid:)?({_HEX})", within(octets)),
    Rule(r"Authority Key Identifier:(?: critical)?$", r"serial:(.*)", within(serial)),
    Rule(r"Authority Key Identifier:(?: critical)?$", r".*", under(names)),
    Rule(
        r"Usage Period:(?: critical)?$",
        r"Not Before: (.*), Not After: (.*)",
        lambda _, match: [
            Want("private key usage", f"from {moment(match[1])}"),
            Want("private key usage", f"until {moment(match[2])}"),
        ],
    ),
    Rule(r"Usage Period:(?: critical)?$", r"Not Before: (.*)", within(moment, "from ")),
    Rule(r"Usage Period:(?: critical)?$", r"Not After: (.*)", within(moment, "until ")),
    Rule(
        r"Certificate Policies:",
        r"Policy: (.*)",
        within(lambda each: POLICIES.get(each, each.removeprefix("Class of Signing Tool "))),
    ),
    Rule(r"Policy: ", r"CPS: (.*)", within(before="practice statement at ")),
    Rule(r"Policy: ", r"User Notice:", [Want("policies", "user notice: ")]),
    Rule(r"Policy: ", r"Unknown Qualifier: (.*)", within(before="qualifier ")),
    Rule(
        r"User Notice:$",
        r"(?:Organization|Explicit Text):(?: (.*))?",
        lambda _, match: [Want("policies", match[1] or "")],
    ),
    Rule(r"User Notice:$", r"Numbers?: (.*)", within(before="notice ")),
    Rule(
        r"Policy Mappings:",
        r"(.*)",
        lambda _, match: [
            Want("policy mappings", POLICIES.get(each, each)) for each in re.split(", |:", match[1])
        ],
    ),
    Rule(
        r"Policy Constraints:",
        r"(.*)",
        lambda _, match: [
            Want(
                "policy constraints",
                {
                    "Require Explicit Policy": "an explicit policy is required ",
                    "Inhibit Policy Mapping": "policy mapping is inhibited ",
                }[key]
                + skipped(value),
            )
            for key, value in (each.split(":") for each in match[1].split(", "))
        ],
    ),
    Rule(r"Inhibit Any Policy:", r"(-?\d+)", within(skipped)),
    Rule(r"Name Constraints:(?: critical)?$", r"Permitted:|Excluded:", HEADING),
    Rule(r"(?:Permitted|Excluded):$", r".*", constrained),
    Rule(
        r"(?:Distribution Points?|Freshest CRL):(?: critical)?$",
        r"(?:Full Name|Relative Name|CRL Issuer|Reasons|Only Some Reasons):",
        HEADING,
    ),
    Rule(
        r"Full Name:$|CRL Issuer:$",
        r"(.*?)(?: +(?:Reasons|CRL Issuer):)?",
        lambda line, match: (
            listed(EXTENSIONS[line.extension], match[1], REASONS)
            if match[1].split(", ")[0] in REASONS
            else names(EXTENSIONS[line.extension], match[1])
        ),
    ),
    Rule(
        r"Relative Name:$",
        r"(.*?)(?: +(?:Reasons|CRL Issuer):)?",
        lambda line, match: [Want(EXTENSIONS[line.extension], each) for each in attributes(match[1])],
    ),
    Rule(r"Reasons:$", r"(.*)", under(lambda where, text: listed(where, text, REASONS))),
    Rule(
        r"Issuing Distribution Point:",
        r"Only User Certificates",
        [Want("scope", "only end-entity certificates")],
    ),
    Rule(r"Issuing Distribution Point:", r"Only CA Certificates", [Want("scope", "only CA certificates")]),
    Rule(
        r"Issuing Distribution Point:",
        r"Only Attribute Certificates",
        [Want("scope", "only attribute certificates")],
    ),
    Rule(r"Issuing Distribution Point:", r"Indirect CRL", [Want("scope", "indirect: ")]),
    Rule(r"CRL Number:|Delta CRL Indicator:", r"(\d+)", within()),
    Rule(r"CRL Number:|Delta CRL Indicator:", r"0x([0-9A-F]+)", within(str.lower)),
    Rule(
        r"Information Access:",
        r"(.*?) - (.*)",
        lambda line, match: [
            Want(EXTENSIONS[line.extension], METHODS.get(match[1], match[1])),
            *names(EXTENSIONS[line.extension], match[2]),
        ],
    ),
    Rule(
        r"TLS Feature:",
        r"(.*)",
        lambda _, match: [
            Want(
                "TLS features",
                {"status_request": "status_request (5", "status_request_v2": "status_request_v2 (17"}.get(
                    each, each
                ),
            )
            for each in match[1].split(", ")
        ],
    ),
    Rule(
        r"Poison:",
        r"NULL",
        [
            Want(
                "precertificate",
                "a precertificate: for Certificate Transparency logs only, not valid for use",
            )
        ],
    ),
    Rule(r"SCTs:", r"Signed Certificate Timestamp:", HEADING),
    Rule(
        r"Timestamp:$",
        r"Version   : unknown",
        [Want("signed timestamps", "a timestamp that cannot be read (version 2 is not known)")],
    ),
    Rule(r"Version   : unknown$", _HEX, BYTES),
    Rule(
        r"Timestamp:$", r"Version   : v1 \(0x0\)|Extensions: none", "the only one that is known, and nothing"
    ),
    Rule(r"Timestamp:$|Log ID", rf"(?:Log ID    : )?({_HEX})", group("signed timestamps", octets)),
    Rule(r"Timestamp:$", r"Timestamp : (.*)", group("signed timestamps", moment)),
    Rule(r"Timestamp:$", r"Signature : ecdsa-with-SHA256", [Want("signed timestamps", "ECDSA with SHA-256")]),
    Rule(
        r"Netscape Cert Type:",
        r"(.*)",
        within(lambda each: re.sub("Server|Client|Object Signing", lambda found: found[0].lower(), each)),
    ),
    Rule(r"Netscape Comment:", r"(.*)", within()),
    Rule(r"ipAddrBlock:", r"(IPv[46]): inherit", within(after=": inherited")),
    Rule(r"ipAddrBlock:", r"IPv[46](?: \(\w+\))?:", HEADING),
    Rule(r"ipAddrBlock:", r"(.*)", within()),
    Rule(r"autonomousSysNum:", r"Autonomous System Numbers:|Routing Domain Identifiers:", HEADING),
    Rule(r"autonomousSysNum:", r"inherit", [Want("delegated AS numbers", "inherited")]),
    Rule(r"autonomousSysNum:", r"(.*)", within()),
    Rule(r"Proxy Certificate", r"Path Length Constraint: 0?(\d+)", within(before="at most ")),
    Rule(r"Proxy Certificate", r"Policy Language: (.*)", within(str.lower, "policy language ")),
    Rule(r"Admission:", r".*(?:0\.\.|\.\.U|\.\(E).*", TWICE),
    Rule(
        r"Admission:",
        r"(?:Entry \d+|Profession Info Entry \d+|admissionAuthority|namingAuthority|Info Entries|Profession OIDs):",
        HEADING,
    ),
    Rule(r"admissionAuthority:$", r"othername:<unsupported>", [Want("admissions", "other name")]),
    Rule(r"admissionAuthority:$", r".*", under(names)),
    Rule(r"Admission:", r"(?:namingAuthorityId: )?undefined \((.*)\)", within()),
    Rule(
        r"Admission:",
        r"(?:namingAuthorityText|namingAuthorityUrl|registrationNumber):(?: (.*))?|(.*)",
        lambda _, match: [Want("admissions", each) for each in (match[1] or match[2] or "").split("....")],
    ),
    Rule(r"Signing Tool of Issuer:", r"\w+ *: (.*)", within()),
    Rule(r"Signing Tool of Subject:", r"(.*)", within()),
    Rule(r"^Certificate Revocation List", r"\.\.", "the bytes of an unknown extension as text"),
    Rule(
        rf"(?:Extensions|extensions): > {_OID}:(?: critical)?$",
        r".*",
        "the bytes of an unknown extension as text; ours are in hexadecimal",
    ),
)
