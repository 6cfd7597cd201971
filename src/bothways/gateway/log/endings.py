"""Why connections of a gateway end: a stable code for programs, and a sentence for people.

What TLS refuses has the name of its `Fault` as code, and what a client refuses us for `ALERT_` and the name of its
alert; `Code` has all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bothways.aio.admission import Evicted
from bothways.diagnosis.causes import Cause
from bothways.errors import InternalError, PeerAlert, PeerFault, TLSError, Truncated
from bothways.faults import Fault

ALERT = "ALERT_"
NO_REQUEST = "the client made no further request"
# What made an end: the error, or its cause or causes where there is none.
Why = Exception | Cause | tuple[Cause, ...] | None


class Code(Enum):
    """Why a connection ended, where TLS did not refuse. The name of a member is stable."""

    CLOSED = "both sides closed, or the client made no further request"
    CLIENT_LEFT = "the client ended before it was verified"
    CLIENT_LOST = "the connection to the client was lost"
    CLIENT_TRUNCATED = (
        "the client ended without close_notify; of HTTP within a request only, since browsers and curl end so"
    )
    BACKEND_LOST = "the connection to the service was lost, or what it sent was not HTTP"
    BACKEND_REFUSED = "the service refused our certificate by an answer of its own"
    BACKEND_UNREACHABLE = "the service could not be reached"
    BACKEND_TIMEOUT = "the service did not answer in time"
    IDLE_TIMEOUT = "nothing was sent or received for the time of `idle` or `half_closed`"
    HELLO_TIMEOUT = "no ClientHello came in time"
    BYTES_LIMIT = "the client sent more than `bytes_before_verdict`"
    CONNECTIONS_LIMIT = "there were as many connections as `connections` allows"
    ADDRESS_LIMIT = "its address had as many connections as `per_address` allows"
    IDENTITY_LIMIT = "clients with its names had as many connections as `per_identity` allows"
    HANDSHAKES_LIMIT = (
        "its handshake was ended in favour of another one, or too many connections awaited PROXY headers"
    )
    REQUEST_REFUSED = "a request was refused, and the connection with it"
    FIELDS_LIMIT = "its names are too long for header fields"
    ROUTE_GONE = "after a reload there was no route for it any more"
    ROUTE_CHANGED = "after a reload its route led to another service"
    BAD_PROXY_HEADER = "the header of the PROXY protocol was invalid, or did not come in time"
    STARTTLS_FAILED = (
        "the client did not request TLS as in the protocol of `starttls`, or sent more than that"
    )
    NOT_RECORDED = "the decision could not be written to the audit file"
    SVID_EXPIRED = "our SVID has expired, and the Workload API has sent no other"
    GATEWAY_ENDED = "the gateway ended"
    DEFECT = "a defect of bothways; the log has more"


LIMITS = frozenset(
    {
        Code.BYTES_LIMIT, Code.CONNECTIONS_LIMIT, Code.ADDRESS_LIMIT, Code.IDENTITY_LIMIT, Code.HANDSHAKES_LIMIT,
        Code.FIELDS_LIMIT,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended.

    code: see `Code`.  said: the same in words, and what it was about; or the error that says it, whose words are found
    when they are needed.  why: what made it.
    """

    code: str
    said: str | Exception
    why: Why = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for each in (self.said, self.why):
            if isinstance(each, BaseException):
                each.with_traceback(None)  # its frames keep the connection, which keeps this

    @property
    def text(self) -> str:
        """Why it ended, in words."""
        return self.said if isinstance(self.said, str) else _sentences(self.said)

    @classmethod
    def of(cls, code: Code, text: str, why: Why = None) -> Ending:
        """Return one that is not of TLS."""
        return cls(code.name, text, why)


def is_end_between_records(failure: Exception | None) -> bool:
    """Whether a peer ended without close_notify, and neither within a record nor by a reset."""
    return isinstance(failure, Truncated) and failure.loss is None and not failure.in_record


def ending_of(error: Exception, *, is_verified: bool) -> Ending:
    """Return why a connection ended by an error of its TLS. is_verified: whether the client was."""
    why = None if isinstance(error, Evicted) else error
    return Ending(_code_of(error, is_verified=is_verified), error, why)


def ending_of_client(failure: Exception | None, *, is_verified: bool) -> Ending:
    """Return how the connection of a client ended that was lost, or failed."""
    if failure is not None:
        return ending_of(failure, is_verified=is_verified)
    if is_verified:
        return Ending.of(Code.CLIENT_LOST, "the client was lost")
    return Ending.of(Code.CLIENT_LEFT, "it ended before it was verified")


def _code_of(error: Exception, *, is_verified: bool) -> str:
    match error:
        case PeerFault():
            return error.fault.name
        case PeerAlert():
            return ALERT + error.name.upper().replace(" ", "_")
        case Truncated(loss=None):
            return (Code.CLIENT_TRUNCATED if is_verified else Code.CLIENT_LEFT).name
        case Truncated():
            return (Code.CLIENT_LOST if is_verified else Code.CLIENT_LEFT).name
        case InternalError():
            return Code.DEFECT.name
        case Evicted():
            return Code.HANDSHAKES_LIMIT.name
        case TLSError():
            return Code.DEFECT.name
    return (Code.CLIENT_LOST if is_verified else Code.CLIENT_LEFT).name


def _sentences(error: Exception) -> str:
    """The first line, and those about further reasons: each has to be corrected."""
    first, *others = (str(error) or type(error).__name__).split("\n")
    return " ".join((first, *(each for each in others if each.startswith("Also: "))))


def is_verdict(error: Exception | None) -> bool:
    """Whether an error says that a client is not accepted: its certificate, its revocation status, or by the rules."""
    return is_refused_access(error) or (isinstance(error, PeerFault) and error.fault.check is not None)


def is_refused_access(error: Exception | None) -> bool:
    """Whether an error says that a verified client is not accepted by the rules."""
    return isinstance(error, PeerFault) and error.fault is Fault.ACCESS_REFUSED
