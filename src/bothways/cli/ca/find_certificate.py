"""Finds a certificate of the register by a file, a serial number or a name, and tells its status."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from bothways.ca.authority import utc_now
from bothways.ca.crl import HOLD
from bothways.ca.register.register import Register
from bothways.ca.register.values import RegisterEntry
from bothways.cli.output.terminal import refuse
from bothways.describe.escape import visible
from bothways.errors import ConfigError
from bothways.trust.certificate.files import certificates_in
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.files import content
from bothways.trust.ocsp.request import serial_number


def find_certificate(register: Register, which: str, held: bool = False) -> RegisterEntry:
    """Find a certificate by a file, its serial number or its name; exit with status 2 if there is none.

    held: of several with one name, take the one that is on hold.
    """
    if _is_file(which):
        return _by_file(register, which)
    digits = which.replace(":", "").removeprefix("0x")
    if re.fullmatch(r"[0-9a-fA-F]{1,40}", digits):
        entry = register.find(int(digits, 16))
        if entry is not None:
            return entry
    return _by_name(register, which, held)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a long text is no path
        return False


def status_of(entry: RegisterEntry, now: datetime) -> str:
    """The status of a certificate in one word."""
    if entry.reason == HOLD:
        return "held"
    if entry.revoked_at is not None:
        return "revoked"
    return "expired" if entry.not_after < now else "good"


def _by_file(register: Register, file: str) -> RegisterEntry:
    data = content(file)
    try:
        certificate = ParsedCertificate(next(iter(certificates_in(data, file)), b""))
    except (ConfigError, ValueError):
        refuse(f"{file}: contains no certificate")
    entry = register.find(serial_number(certificate))
    if entry is None or entry.certificate != certificate.der:
        refuse(f"{file}: this certificate was not issued by this CA")
    return entry


def _by_name(register: Register, name: str, held: bool) -> RegisterEntry:
    now = utc_now()
    states = ("held",) if held else ("good", "held")
    # No name contains NUL or bytes that are not UTF-8, and databases refuse them.
    found = register.find_by_name(name) if re.search("[\0\ud800-\udfff]", name) is None else []
    good = [entry for entry in found if status_of(entry, now) in states]
    if len(good) == 1:
        return good[0]
    if len(good) > 1:
        serials = ", ".join(f"{entry.serial:x}" for entry in good)
        refuse(f"{visible(name)} has {len(good)} valid certificates; give a serial number: {serials}")
    if found:
        return found[-1]
    refuse(f"{visible(name)}: neither a file nor a serial number or name of a certificate of this CA")
