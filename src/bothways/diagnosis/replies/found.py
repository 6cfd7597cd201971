"""What the first reply of a service says about us, by whatever reader of its protocol."""

from __future__ import annotations

from typing import NamedTuple

from bothways.diagnosis.replies.certificate_texts import about_certificates
from bothways.diagnosis.replies.texts import Meaning


class Found(NamedTuple):
    """What a reply says about us, and its text.

    verifies: whether services of this protocol verify a client's certificate in the handshake, or complete none.
    """

    text: str
    meaning: Meaning
    verifies: bool = False


def judged(text: str, meaning: Meaning | None) -> Found | None:
    """Prefer a text about a certificate to a code, since it says more."""
    about = about_certificates(text)
    meaning = meaning if about is None else about.meaning
    return None if meaning is None else Found(text, meaning)


def verified(found: Found | None) -> Found | None:
    """As it is, unless it speaks of a certificate."""
    return found._replace(verifies=found.meaning in PAST_CERTIFICATES) if found is not None else None


PAST_CERTIFICATES = (Meaning.LOGIN, Meaning.FORBIDDEN, Meaning.NOT_AUTHORIZED, Meaning.DENIED)
