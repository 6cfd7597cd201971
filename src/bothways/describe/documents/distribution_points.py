"""Describes distribution points: where CRLs are available, and their scope (RFC 5280 4.2.1.13, 5.2.5)."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.describe.documents.asn1 import SEQUENCE, Element, Fields, bits, boolean, describe_each, whole
from bothways.describe.documents.names import general_names, relative_text
from bothways.trust.der import encoded

REASONS = (
    "unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
    "cessationOfOperation", "certificateHold", "privilegeWithdrawn", "aACompromise",
)  # fmt: skip


def distribution_points(found: Element) -> list[str]:
    """Describe each distribution point: its names, the reasons that it covers, and the issuer of its CRL."""
    return describe_each(
        found.children(), lambda each: "; ".join(_point(each)) or "a distribution point without a name"
    )


def issuing_distribution_point(found: Element) -> list[str]:
    """Describe the scope of a CRL, and where it is available (RFC 5280 5.2.5)."""
    fields = Fields(found)
    result = _named(fields.optional(0xA0))
    only = {0x81: "end-entity certificates", 0x82: "CA certificates", 0x85: "attribute certificates"}
    indirect = "indirect: it revokes certificates of other issuers too"
    for each in fields.rest():
        if each.tag == 0x83:
            result.append(f"only for these reasons: {', '.join(reason_names(each))}")
        elif boolean(whole(encoded(0x01, each.content), "BOOLEAN", 0x01)):
            result.append(f"only {only[each.tag]}" if each.tag in only else indirect)
    return result or ["all certificates of the issuer"]


def reason_names(found: Element) -> list[str]:
    """Return the names of the reasons whose bits are set; for bit 0 and unknown bits their number."""
    result = bits(whole(encoded(0x03, found.content), "BIT STRING", 0x03))
    return [REASONS[bit] if 0 < bit < len(REASONS) else f"bit {bit}" for bit in result] or ["none"]


def _point(found: Element) -> Iterator[str]:
    fields = Fields(found.expect(SEQUENCE, "distribution point"))
    yield from _named(fields.optional(0xA0))
    covered = fields.optional(0x81)
    if covered is not None:
        yield f"for {', '.join(reason_names(covered))}"
    issuer = fields.optional(0xA2)
    if issuer is not None:
        yield f"issued by {', '.join(issuers(issuer))}"
    fields.end()


def issuers(found: Element) -> list[str]:
    """Return the names of the issuers of a CRL or a certificate, which usually are distinguished names."""
    return [each.removeprefix("name ") for each in general_names(found)]


def _named(found: Element | None) -> list[str]:
    """Describe a distribution point's name: full, or relative to the issuer's."""
    if found is None:
        return []
    name = next(found.children(), None)
    if name is None or name.tag not in (0xA0, 0xA1):
        raise ValueError(f"no name of a distribution point at byte {found.start}")
    if name.tag == 0xA1:
        return [f"relative to the issuer's name: {relative_text(name)}"]
    return [", ".join(general_names(name))]
