"""What fails on our side before or beside a connection: files, configurations, calls, and what is no failure of TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.errors import (
    AlteredCertificate,
    AuthenticationUnavailable,
    ConfigError,
    IncompleteChain,
    TLSError,
    UnusableFile,
    UsageError,
)
from bothways.trust.decoding.parsing import PassphraseNeeded, WrongPassphrase
from bothways.trust.own_identity.chain import KeyMismatch

CERTAIN, LIKELY, OURS = Weight.CERTAIN, Weight.LIKELY, Party.OURS
UNUSABLE = "what we are configured with cannot be used"
MENDING: Mapping[type, str] = {
    PassphraseNeeded: "give its password",
    WrongPassphrase: "give the password that it was encrypted with; if that was the right one, the file is damaged: "
    "get it again from where it is whole",
}
OTHER_FILE = (
    "give what is expected, whole; of a file correct its path or its permissions, or put that in its place"
)


def failed(case: Case) -> Iterator[Likely]:
    """Return the cause of an error that no peer and no network made."""
    error = case.error
    problem = _first_line(error)
    match error:
        case KeyMismatch():
            yield case.likely(Cause.KEY_MISMATCH, OURS, CERTAIN, problem)
            if error.not_after < case.situation.now:
                date = f"{error.not_after:%Y-%m-%d %H:%M} UTC"
                expired = case.likely(
                    Cause.EXPIRED,
                    OURS,
                    LIKELY,
                    f"our clock says {case.situation.now:%Y-%m-%d %H:%M} UTC",
                    date=date,
                )
                yield replace(expired, order=1)
        case IncompleteChain():
            yield case.likely(Cause.INTERMEDIATE_MISSING, OURS, CERTAIN, problem, issuer=error.issuer)
        case AlteredCertificate():
            yield case.likely(Cause.SIGNATURE_WRONG, OURS, CERTAIN, problem, subject=error.subject)
        case UnusableFile() | OSError():
            mending = MENDING.get(type(error), OTHER_FILE)
            yield case.likely(
                Cause.UNREADABLE, OURS, CERTAIN, undecoded=UNUSABLE, detail=problem, mending=mending
            )
        case ConfigError() | UsageError():
            yield case.likely(Cause.MISUSE, OURS, CERTAIN, problem=problem)
        case AuthenticationUnavailable():
            yield case.likely(Cause.CANNOT_BE_ASKED, Party.PEERS, CERTAIN, detail=problem)
        case _:
            yield case.likely(Cause.OTHER_ERROR, OURS, problem=problem)


def is_about_a_file(error: Exception) -> bool:
    """Whether an error of the operating system names a file: it is about that, and not about a connection."""
    return isinstance(error, OSError) and not isinstance(error, TLSError) and error.filename is not None


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, TLSError):
        return f"{error.filename}: {error.strerror or type(error).__name__}"
    return (str(error) or type(error).__name__).partition("\n")[0].removesuffix(".")
