"""Which certificate a person means by a file, a serial number or a name, and what state it is in."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import utc_now
from bothways.ca.crl import HOLD
from bothways.ca.register import Register
from bothways.ca.rows import Entry
from bothways.cli.terminal import refuse
from bothways.explain.escape import visible
from bothways.trust.files import content


def known(register: Register, which: str, held: bool = False) -> Entry:
    """Find a certificate by the file it is in, its serial number, or its holder's name; or refuse.

    held: of several with one name, the one that is held is meant.
    """
    if Path(which).is_file():
        return _by_file(register, which)
    digits = which.replace(":", "").removeprefix("0x")
    if re.fullmatch(r"[0-9a-fA-F]{1,40}", digits):
        entry = register.find(int(digits, 16))
        if entry is not None:
            return entry
    return _by_name(register, which, held)


def state(entry: Entry, now: datetime) -> str:
    """Say in a word how a certificate stands."""
    if entry.reason == HOLD:
        return "held"
    if entry.revoked_at is not None:
        return "revoked"
    return "expired" if entry.not_after < now else "good"


def _by_file(register: Register, file: str) -> Entry:
    data = content(file)
    try:
        if b"-----BEGIN" in data:
            certificate = x509.load_pem_x509_certificate(data)
        else:
            certificate = x509.load_der_x509_certificate(data)
    except ValueError:
        refuse(f"{file}: holds no certificate")
    entry = register.find(certificate.serial_number)
    if entry is None or entry.certificate != certificate.public_bytes(Encoding.DER):
        refuse(f"{file}: this certificate was not issued here")
    return entry


def _by_name(register: Register, name: str, held: bool) -> Entry:
    now = utc_now()
    states = ("held",) if held else ("good", "held")
    # What no store can be asked for is the name of nothing: bytes that are no text, and NUL.
    found = register.named(name) if re.search("[\0\ud800-\udfff]", name) is None else []
    good = [entry for entry in found if state(entry, now) in states]
    if len(good) == 1:
        return good[0]
    if len(good) > 1:
        serials = ", ".join(f"{entry.serial:x}" for entry in good)
        refuse(f"{visible(name)} has {len(good)} certificates; say which serial number: {serials}")
    if found:
        return found[-1]
    refuse(f"{visible(name)}: no file, serial number or name of what was issued here")
