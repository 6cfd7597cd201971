"""CRLs that one process has read and checked, for others of the same program that share its memory (RFC 5280 5).

Whoever takes one trusts that memory as its own: nothing is parsed or indexed again, and nothing is copied. Whether a
key has signed the CRL is checked by each for itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from mmap import mmap
from typing import Any

from bothways.trust.crl.entry_index import EntryIndex
from bothways.trust.crl.revocation_list import CRL

Facts = dict[str, Any]  # for JSON

_NUMBER_OCTETS = array("Q").itemsize


def handed_over(crl: CRL) -> tuple[Facts, bytes]:
    """Return what is known of a CRL, and its octets with those of its index. Raises ValueError for invalid entries."""
    index = crl.read_entries().index
    digest, signed_digest = crl.compute_digests()
    names = sorted(frozenset[bytes]().union(*index.issuers))
    numbers = {name: number for number, name in enumerate(names)}
    facts = {
        "size": crl.size,
        "place": [index.start, index.end],
        "entries": len(index.keys),
        "names": [each.hex() for each in names],
        "issuer_changes": len(index.issuers_from),
        "issuers": [sorted(numbers[name] for name in each) for each in index.issuers],
        "problem": index.problem,
        "digest": digest.hex(),
        "signed_digest": None if signed_digest is None else signed_digest.hex(),
    }
    numbers_there = (index.keys, index.issuers_from, index.issuers_there)
    return facts, b"".join(
        (crl.der, bytes(_padding(crl.size)), *(array("Q", each).tobytes() for each in numbers_there))
    )


def taken_over(facts: Facts, memory: mmap) -> CRL:
    """Return a CRL. facts, memory: those of `handed_over`; the memory stays in use as long as the CRL."""
    size, names = facts["size"], [bytes.fromhex(each) for each in facts["names"]]
    whole = memoryview(memory)[size + _padding(size) : size_of(facts)].cast("Q")
    entries = facts["entries"]
    middle = entries + facts["issuer_changes"]
    issuers = [frozenset(names[number] for number in each) for each in facts["issuers"]]
    start, end = facts["place"]
    index = EntryIndex(
        start, end, whole[:entries], whole[entries:middle], whole[middle:], issuers, facts["problem"]
    )
    return CRL.of_memory(memory, size, index, bytes.fromhex(facts["digest"]), _octets(facts["signed_digest"]))


def size_of(facts: Mapping[str, Any]) -> int:
    """Return how many octets a CRL takes with its index."""
    size = int(facts["size"])
    numbers = int(facts["entries"]) + 2 * int(facts["issuer_changes"])
    return size + _padding(size) + numbers * _NUMBER_OCTETS


def _padding(size: int) -> int:
    return -size % _NUMBER_OCTETS


def _octets(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
