"""A serial number and a time in the forms of OpenSSL, which `ssl` and Apache's mod_ssl have too."""

from __future__ import annotations

from datetime import datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def serial_text(number: int) -> str:
    """Return a serial number: whole bytes in hexadecimal digits, behind a sign where it is negative."""
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def time_text(moment: datetime) -> str:
    """Return a time, independent of the locale. moment: in UTC."""
    return f"{MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S} {moment.year} GMT"
