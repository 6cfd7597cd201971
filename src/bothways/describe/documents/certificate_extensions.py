"""The extensions of certificates and of certification requests in words (RFC 5280 4.2)."""

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
    integer,
    moment_words,
    named,
    number_words,
    oid,
    outline,
    serial_words,
    short_hex,
    string,
    told_each,
    whole,
)
from bothways.describe.documents.distribution_points import distribution_points
from bothways.describe.documents.extensions import Table, Words
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


def chosen(found: Element, words: Sequence[str]) -> list[str]:
    """Return the words of the bits that are set; a bit without a word by its number."""
    told = [words[bit] if bit < len(words) else f"bit {bit}" for bit in bits(found)]
    return told or ["nothing"]


def authority_key_identifier(found: Element) -> list[str]:
    """Tell by what the issuer's key is to be found (RFC 5280 4.2.1.1)."""
    fields, told = Fields(found), []
    if (key := fields.optional(0x80)) is not None:
        told.append(short_hex(key.content))
    if (names := fields.optional(0xA1)) is not None:
        told += [f"issuer of the issuer's certificate: {each}" for each in general_names(names)]
    if (serial := fields.optional(0x82)) is not None:
        told.append(f"serial number of the issuer's certificate: {serial_words(integer(serial))}")
    fields.end()
    return told


def _basic_constraints(found: Element) -> list[str]:
    fields = Fields(found)
    flag, length = fields.optional(BOOLEAN), fields.optional(INTEGER)
    fields.end()
    told = ["yes" if flag is not None and boolean(flag) else "no"]
    if length is not None:
        told.append(_below(number_words(length)))
    return told


def _below(number: str) -> str:
    if number == "0":
        return "no CA below it"
    return f"at most {number} CA{'s' if number != '1' else ''} below it"


def _purposes(found: Element) -> list[str]:
    return told_each(found.children(), lambda each: _purpose(oid(each)))


def _purpose(identifier: str) -> str:
    return PURPOSES.get(identifier, identifier)


def _policies(found: Element) -> list[str]:
    return told_each(found.children(), lambda each: "; ".join(_policy(each)))


def _policy(found: Element) -> Iterator[str]:
    fields = Fields(found.expect(SEQUENCE, "policy"))
    yield _policy_name(oid(fields.take(OID, "policy identifier")))
    qualifiers = fields.optional(SEQUENCE)
    if qualifiers is not None:
        yield from told_each(qualifiers.children(), _qualifier)
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
                number_words(one) for one in fields.take(SEQUENCE, "numbers of a notice").children()
            )
            yield f"notice {numbers} of {organization}"
        else:
            yield string(each)


def _mappings(found: Element) -> list[str]:
    return told_each(found.children(), _mapping)


def _mapping(found: Element) -> str:
    fields = Fields(found)
    issuer, subject = (oid(fields.take(OID, "policy identifier")) for _ in range(2))
    return f"{_policy_name(issuer)} of the issuer is equivalent to {_policy_name(subject)} of the subject"


def _policy_constraints(found: Element) -> list[str]:
    fields, told = Fields(found), []
    if (skipped := fields.optional(0x80)) is not None:
        told.append(f"an explicit policy is required {_after(skipped)}")
    if (skipped := fields.optional(0x81)) is not None:
        told.append(f"policy mapping is inhibited {_after(skipped)}")
    fields.end()
    return told


def _after(skipped: Element) -> str:
    number = number_words(skipped)
    return "at once" if number == "0" else f"after {number} more certificate{'s' if number != '1' else ''}"


def _inhibit_any_policy(found: Element) -> list[str]:
    return [f"anyPolicy is not valid {_after(found)}"]


def _name_constraints(found: Element) -> list[str]:
    fields, told = Fields(found), []
    for tag, word in ((0xA0, "only"), (0xA1, "not")):
        trees = fields.optional(tag)
        if trees is not None:
            told += [f"{word} {each}" for each in told_each(trees.children(), _subtree)]
    fields.end()
    return told


def _subtree(found: Element) -> str:
    fields = Fields(found.expect(SEQUENCE, "subtree"))
    told = subtree_name(fields.any("base of a subtree"))
    for tag, word in ((0x80, "minimum"), (0x81, "maximum")):
        bound = fields.optional(tag)
        if bound is not None:
            told += f", {word} {number_words(bound)}"
    return told


def access(found: Element) -> list[str]:
    """Tell where more is to be had about an issuer or a subject (RFC 5280 4.2.2)."""
    return told_each(found.children(), _access)


def _access(found: Element) -> str:
    fields = Fields(found)
    method = oid(fields.take(OID, "access method"))
    return f"{ACCESS_METHODS.get(method, method)} {general_name(fields.any('access location'))}"


def _usage_period(found: Element) -> list[str]:
    fields, told = Fields(found), []
    for tag, word in ((0x80, "from"), (0x81, "until")):
        bound = fields.optional(tag)
        if bound is not None:
            told.append(f"{word} {moment_words(_as(GENERALIZED_TIME, bound))}")
    fields.end()
    return told


def _as(tag: int, found: Element) -> Element:
    """Return the element that an implicit tag hides."""
    return whole(encoded(tag, found.content), "value", tag)


def _features(found: Element) -> list[str]:
    return told_each(found.children(), _feature)


def _feature(found: Element) -> str:
    number = integer(found.expect(INTEGER, "number of a TLS feature"))
    return _TLS_FEATURES.get(number, f"{number_words(found)} (of no known meaning)")


def _directory_attributes(found: Element) -> list[str]:
    return told_each(found.children(), _directory_attribute)


def _directory_attribute(found: Element) -> str:
    fields = Fields(found)
    kind = oid(fields.take(OID, "attribute type"))
    values = ", ".join(outline(each.encoded) for each in fields.any("values of an attribute").children())
    return f"{ATTRIBUTES.get(kind, kind)}: {values}"


def _qualified_statements(found: Element) -> list[str]:
    return told_each(found.children(), _qualified_statement)


def _qualified_statement(found: Element) -> str:
    fields = Fields(found)
    kind = named(oid(fields.take(OID, "statement")))
    more = ", ".join(outline(each.encoded) for each in fields.rest())
    return f"{kind}: {more}" if more else kind


def _words(text: str) -> Callable[[Element], list[str]]:
    """Tell what an extension means whose value is nothing but there."""
    return lambda _: [text]


def _key_identifier(found: Element) -> list[str]:
    return [short_hex(found.content)]


def _key_usage(found: Element) -> list[str]:
    return chosen(found, _KEY_USAGES)


# What a person wants to know of a certificate before all else, in this order.
FOREMOST = ("2.5.29.17", "2.5.29.37", "2.5.29.15", "2.5.29.19")

CERTIFICATE_EXTENSIONS: Table = {
    "2.5.29.9": Words("directory attributes", _directory_attributes, a_row_each=True),
    "2.5.29.14": Words("subject key identifier", _key_identifier, OCTET_STRING),
    "2.5.29.15": Words("key usage", _key_usage, BIT_STRING),
    "2.5.29.16": Words("private key usage", _usage_period),
    "2.5.29.17": Words("alternative names", alternative_names),
    "2.5.29.18": Words("issuer alternative names", alternative_names),
    "2.5.29.19": Words("CA", _basic_constraints),
    "2.5.29.30": Words("name constraints", _name_constraints),
    "2.5.29.31": Words("CRL distribution points", distribution_points, a_row_each=True),
    "2.5.29.32": Words("policies", _policies, a_row_each=True),
    "2.5.29.33": Words("policy mappings", _mappings, a_row_each=True),
    "2.5.29.35": Words("authority key identifier", authority_key_identifier, a_row_each=True),
    "2.5.29.36": Words("policy constraints", _policy_constraints),
    "2.5.29.37": Words("extended key usage", _purposes),
    "2.5.29.46": Words("freshest CRL", distribution_points, a_row_each=True),
    "2.5.29.54": Words("inhibit any policy", _inhibit_any_policy, INTEGER),
    "1.3.6.1.5.5.7.1.1": Words("authority information", access, a_row_each=True),
    "1.3.6.1.5.5.7.1.3": Words("qualified statements", _qualified_statements, a_row_each=True),
    "1.3.6.1.5.5.7.1.11": Words("subject information", access, a_row_each=True),
    "1.3.6.1.5.5.7.1.24": Words("TLS features", _features),
    "1.3.6.1.5.5.7.48.1.5": Words("OCSP no check", _words("its revocation status need not be checked"), NULL),
    "1.3.6.1.4.1.11129.2.4.2": Words("signed timestamps", timestamps, OCTET_STRING, a_row_each=True),
    "1.3.6.1.4.1.11129.2.4.3": Words("precertificate", precertificate, NULL),
    **VENDORS,
}  # fmt: skip
