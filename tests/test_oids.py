"""Object identifiers by name."""

from __future__ import annotations

import re
import subprocess

import pytest

from bothways import oids
from interop import peers

TABLES = (
    "ATTRIBUTES",
    "PURPOSES",
    "ACCESS_METHODS",
    "POLICIES",
    "HASHES",
    "ALGORITHMS",
    "CURVES",
    "OTHER_NAMES",
    "OTHERS",
)


@pytest.mark.parametrize("table", TABLES)
def test_every_identifier_is_one(table):
    """Numbers with dots between, and a name that is printable."""
    for dotted, name in getattr(oids, table).items():
        assert re.fullmatch(r"[0-2](\.(0|[1-9][0-9]*))+", dotted)
        assert name.isprintable()


def test_no_identifier_has_two_names():
    """What stands in several tables is called the same in each."""
    names: dict[str, str] = {}
    for table in TABLES:
        for dotted, name in getattr(oids, table).items():
            assert names.setdefault(dotted, name) == name
    assert names == oids.NAMES


@pytest.mark.interop
def test_attributes_algorithms_and_curves_are_called_as_openssl_calls_them():
    """Whoever searches our words for those of `openssl` finds them, but for what is listed here."""
    listed = subprocess.run(
        [peers.find("openssl"), "list", "-objects"], capture_output=True, text=True, check=True
    ).stdout
    known = {
        line.rpartition(" = ")[2].rpartition(", ")[2]: set(re.split(r" = |, ", line)[:2])
        for line in listed.splitlines()
        if " = " in line
    }
    others = {
        "1.2.840.10045.3.1.1",  # secp192r1 and secp256r1, as RFC 8446 and `cryptography` call them
        "1.2.840.10045.3.1.7",
        "1.2.840.113549.1.9.14",  # by its name in RFC 2985 instead of extReq
        "1.2.840.113549.1.9.15",  # by its name in RFC 8551 instead of SMIME-CAPS
        "1.3.6.1.4.1.311.2.1.14",
        "1.3.6.1.4.1.311.60.2.1.1",  # without the words in brackets that OpenSSL's long name has
    }
    for table in (oids.ATTRIBUTES, oids.ALGORITHMS, oids.CURVES):
        for dotted, name in table.items():
            if dotted in known and dotted not in others:
                assert name.lower() in {each.lower() for each in known[dotted]}, dotted
