"""Describes the extensions of certificates and certification requests (RFC 5280 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    Fields,
    bits,
    boolean,
    describe_each,
    integer,
    named,
    number_text,
    oid,
    outline,
    serial_text,
    short_hex,
    string,
    time_text,
    whole,
)
from bothways.describe.documents.distribution_points import distribution_points
from bothways.describe.documents.extensions import ExtensionFormat, Table
from bothways.describe.documents.names import (
    alternative_names,
    general_name,
    general_names,
    subtree_name,
)
from bothways.describe.documents.timestamps import precertificate, timestamps
from bothways.describe.documents.vendors import VENDORS
from bothways.oids import ACCESS_METHODS, ATTRIBUTES, POLICIES, PURPOSES
from bothways.trust.der import encoded

_KEY_USAGES = (
    "digital signature", "non-repudiation", "key encipherment", "data encipherment", "key agreement",
    "certificate signing", "CRL signing", "encipher only", "decipher only",
)  # fmt: skip
_TLS_FEATURES = {5: "status_request (5, must staple)", 17: "status_request_v2 (17, must staple)"}


def bit_names(found: Element, words: Sequence[str]) -> list[str]:
    """Return the names of the bits that are set; the number of a bit without a name."""
    result = [words[bit] if bit < len(words) else f"bit {bit}" for bit in bits(found)]
    return result or ["nothing"]


def authority_key_identifier(found: Element) -> list[str]:
    """Describe how the issuer's key is identified (RFC 5280 4.2.1.1)."""
    fields, result = Fields(found), []
    if (key := fields.optional(0x80)) is not None:
        result.append(short_hex(key.content))
    if (names := fields.optional(0xA1)) is not None:
        result += [f"issuer of the issuer's certificate: {each}" for each in general_names(names)]
    if (serial := fields.optional(0x82)) is not None:
        result.append(f"serial number of the issuer's certificate: {serial_text(integer(serial))}")
    fields.end()
    return result


def _basic_constraints(found: Element) -> list[str]:
    fields = Fields(found)
    flag, length = fields.optional(BOOLEAN), fields.optional(INTEGER)
    fields.end()
    result = ["yes" if flag is not None and boolean(flag) else "no"]
    if length is not None:
        result.append(_path_length(number_text(length)))
    return result


def _path_length(number: str) -> str:
    if number == "0":
        return "no CA below it"
    return f"at most {number} CA{'s' if number != '1' else ''} below it"


def _purposes(found: Element) -> list[str]:
    return describe_each(found.children(), lambda each: _purpose(oid(each)))


def _purpose(identifier: str) -> str:
    return PURPOSES.get(identifier, identifier)


def _policies(found: Element) -> list[str]:
    return describe_each(found.children(), lambda each: "; ".join(_policy(each)))


def _policy(found: Element) -> Iterator[str]:
    fields = Fields(found.expect(SEQUENCE, "policy"))
    yield _policy_name(oid(fields.take(OID, "policy identifier")))
    qualifiers = fields.optional(SEQUENCE)
    if qualifiers is not None:
        yield from describe_each(qualifiers.children(), _qualifier)
    fields.end()


def _policy_name(identifier: str) -> str:
    name = POLICIES.get(identifier)
    return identifier if name is None else f"{name} ({identifier})"


def _qualifier(found: Element) -> str:
    fields = Fields(found.expect(SEQUENCE, "policy qualifier"))
    kind = oid(fields.take(OID, "type of a policy qualifier"))
    value = fields.any("policy qualifier")
    if kind == "1.3.6.1.5.5.7.2.1":
        return f"practice statement at {string(value)}"
    if kind == "1.3.6.1.5.5.7.2.2":
        return f"user notice: {'; '.join(_notice(value)) or 'empty'}"
    return f"qualifier {kind}: {outline(value.encoded)}"


def _notice(found: Element) -> Iterator[str]:
    for each in found.children():
        if each.tag == SEQUENCE:
            fields = Fields(each)
            organization = string(fields.any("organization of a notice"))
            numbers = ", ".join(
                number_text(one) for one in fields.take(SEQUENCE, "numbers of a notice").children()
            )
            yield f"notice {numbers} of {organization}"
        else:
            yield string(each)


def _mappings(found: Element) -> list[str]:
    return describe_each(found.children(), _mapping)


def _mapping(found: Element) -> str:
    fields = Fields(found)
    issuer, subject = (oid(fields.take(OID, "policy identifier")) for _ in range(2))
    return f"{_policy_name(issuer)} of the issuer is equivalent to {_policy_name(subject)} of the subject"


def _policy_constraints(found: Element) -> list[str]:
    fields, result = Fields(found), []
    if (skipped := fields.optional(0x80)) is not None:
        result.append(f"an explicit policy is required {_skipped(skipped)}")
    if (skipped := fields.optional(0x81)) is not None:
        result.append(f"policy mapping is inhibited {_skipped(skipped)}")
    fields.end()
    return result


def _skipped(skipped: Element) -> str:
    number = number_text(skipped)
    return "at once" if number == "0" else f"after {number} more certificate{'s' if number != '1' else ''}"


def _inhibit_any_policy(found: Element) -> list[str]:
    return [f"anyPolicy is not valid {_skipped(found)}"]


def _name_constraints(found: Element) -> list[str]:
    fields, result = Fields(found), []
    for tag, label in ((0xA0, "only"), (0xA1, "not")):
        subtrees = fields.optional(tag)
        if subtrees is not None:
            result += [f"{label} {each}" for each in describe_each(subtrees.children(), _subtree)]
    fields.end()
    return result


def _subtree(found: Element) -> str:
    fields = Fields(found.expect(SEQUENCE, "subtree"))
    result = subtree_name(fields.any("base of a subtree"))
    for tag, label in ((0x80, "minimum"), (0x81, "maximum")):
        bound = fields.optional(tag)
        if bound is not None:
            result += f", {label} {number_text(bound)}"
    return result


def access(found: Element) -> list[str]:
    """Describe where further data about an issuer or a subject is available (RFC 5280 4.2.2)."""
    return describe_each(found.children(), _access)


def _access(found: Element) -> str:
    fields = Fields(found)
    method = oid(fields.take(OID, "access method"))
    return f"{ACCESS_METHODS.get(method, method)} {general_name(fields.any('access location'))}"


def _usage_period(found: Element) -> list[str]:
    fields, result = Fields(found), []
    for tag, label in ((0x80, "from"), (0x81, "until")):
        bound = fields.optional(tag)
        if bound is not None:
            result.append(f"{label} {time_text(_as(GENERALIZED_TIME, bound))}")
    fields.end()
    return result


def _as(tag: int, found: Element) -> Element:
    """Return the element with the tag that an implicit tag replaces."""
    return whole(encoded(tag, found.content), "value", tag)


def _features(found: Element) -> list[str]:
    return describe_each(found.children(), _feature)


def _feature(found: Element) -> str:
    number = integer(found.expect(INTEGER, "number of a TLS feature"))
    return _TLS_FEATURES.get(number, f"{number_text(found)} (of no known meaning)")


def _directory_attributes(found: Element) -> list[str]:
    return describe_each(found.children(), _directory_attribute)


def _directory_attribute(found: Element) -> str:
    fields = Fields(found)
    kind = oid(fields.take(OID, "attribute type"))
    values = ", ".join(outline(each.encoded) for each in fields.any("values of an attribute").children())
    return f"{ATTRIBUTES.get(kind, kind)}: {values}"


def _qualified_statements(found: Element) -> list[str]:
    return describe_each(found.children(), _qualified_statement)


def _qualified_statement(found: Element) -> str:
    fields = Fields(found)
    kind = named(oid(fields.take(OID, "statement")))
    more = ", ".join(outline(each.encoded) for each in fields.rest())
    return f"{kind}: {more}" if more else kind


def _fixed_text(text: str) -> Callable[[Element], list[str]]:
    """Return a function that describes an extension whose value has no content."""
    return lambda _: [text]


def _key_identifier(found: Element) -> list[str]:
    return [short_hex(found.content)]


def _key_usage(found: Element) -> list[str]:
    return bit_names(found, _KEY_USAGES)


# The most important extensions of a certificate, in the order of display.
MAIN_EXTENSIONS = ("2.5.29.17", "2.5.29.37", "2.5.29.15", "2.5.29.19")

CERTIFICATE_EXTENSIONS: Table = {
    "2.5.29.9": ExtensionFormat("directory attributes", _directory_attributes, row_per_item=True),
    "2.5.29.14": ExtensionFormat("subject key identifier", _key_identifier, OCTET_STRING),
    "2.5.29.15": ExtensionFormat("key usage", _key_usage, BIT_STRING),
    "2.5.29.16": ExtensionFormat("private key usage", _usage_period),
    "2.5.29.17": ExtensionFormat("alternative names", alternative_names),
    "2.5.29.18": ExtensionFormat("issuer alternative names", alternative_names),
    "2.5.29.19": ExtensionFormat("CA", _basic_constraints),
    "2.5.29.30": ExtensionFormat("name constraints", _name_constraints),
    "2.5.29.31": ExtensionFormat("CRL distribution points", distribution_points, row_per_item=True),
    "2.5.29.32": ExtensionFormat("policies", _policies, row_per_item=True),
    "2.5.29.33": ExtensionFormat("policy mappings", _mappings, row_per_item=True),
    "2.5.29.35": ExtensionFormat("authority key identifier", authority_key_identifier, row_per_item=True),
    "2.5.29.36": ExtensionFormat("policy constraints", _policy_constraints),
    "2.5.29.37": ExtensionFormat("extended key usage", _purposes),
    "2.5.29.46": ExtensionFormat("freshest CRL", distribution_points, row_per_item=True),
    "2.5.29.54": ExtensionFormat("inhibit any policy", _inhibit_any_policy, INTEGER),
    "1.3.6.1.5.5.7.1.1": ExtensionFormat("authority information", access, row_per_item=True),
    "1.3.6.1.5.5.7.1.3": ExtensionFormat("qualified statements", _qualified_statements, row_per_item=True),
    "1.3.6.1.5.5.7.1.11": ExtensionFormat("subject information", access, row_per_item=True),
    "1.3.6.1.5.5.7.1.24": ExtensionFormat("TLS features", _features),
    "1.3.6.1.5.5.7.48.1.5": ExtensionFormat(
        "OCSP no check", _fixed_text("its revocation status need not be checked"), NULL
    ),
    "1.3.6.1.4.1.11129.2.4.2": ExtensionFormat("signed timestamps", timestamps, OCTET_STRING, row_per_item=True),
    "1.3.6.1.4.1.11129.2.4.3": ExtensionFormat("precertificate", precertificate, NULL),
    **VENDORS,
}  # fmt: skip
