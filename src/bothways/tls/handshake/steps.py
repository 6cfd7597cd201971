"""The state machine of the handshake: which messages each step accepts, and which steps may follow.

It is written by hand from RFC 9846 Appendix A, not derived from the scripts: tests compare the two. The connection
checks each message here before a script gets it. Names are the RFC's where it has one; JUDGING and SIGNING, in which no
message is read, and the steps after a HelloRetryRequest are our own. So is WAIT_CERT_CONNECTED: the connection is open,
and the server has requested the client's certificate (RFC 9846 4.7.2); the answer goes through the same steps as in the
handshake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bothways.faults import Fault
from bothways.iana import HandshakeType
from bothways.roles import Progress, Role, StepId, Version


class Step(Enum):
    """The step of a handshake, mostly the message that is expected."""

    START = "START"
    WAIT_SH = "WAIT_SH"
    WAIT_SH_AFTER_RETRY = "WAIT_SH_AFTER_RETRY"
    WAIT_EE = "WAIT_EE"
    WAIT_CERT_CR = "WAIT_CERT_CR"
    WAIT_CH = "WAIT_CH"
    WAIT_CH_AFTER_RETRY = "WAIT_CH_AFTER_RETRY"
    WAIT_CERT = "WAIT_CERT"
    WAIT_CV = "WAIT_CV"
    WAIT_FINISHED = "WAIT_FINISHED"
    WAIT_SERVER_CERT = "WAIT_SERVER_CERT"
    WAIT_STATUS_SKE = "WAIT_STATUS_SKE"
    WAIT_SKE = "WAIT_SKE"
    WAIT_STATUS_CR_SHD = "WAIT_STATUS_CR_SHD"
    WAIT_CR_SHD = "WAIT_CR_SHD"
    WAIT_SHD = "WAIT_SHD"
    WAIT_TICKET = "WAIT_TICKET"
    WAIT_SERVER_CCS = "WAIT_SERVER_CCS"
    WAIT_SERVER_FINISHED = "WAIT_SERVER_FINISHED"
    WAIT_CLIENT_CERT = "WAIT_CLIENT_CERT"
    WAIT_CKE = "WAIT_CKE"
    WAIT_CLIENT_CV = "WAIT_CLIENT_CV"
    WAIT_CLIENT_CCS = "WAIT_CLIENT_CCS"
    WAIT_CLIENT_FINISHED = "WAIT_CLIENT_FINISHED"
    JUDGING = "JUDGING"
    SIGNING = "SIGNING"
    CONNECTED = "CONNECTED"
    WAIT_CERT_CONNECTED = "WAIT_CERT_CONNECTED"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class StepRule:
    """One row: the id of the check in this step, the messages accepted, the steps that may follow.

    accepts_change: a ChangeCipherSpec is expected (TLS 1.2).  is_open: application data is accepted, and what may come
    beside it belongs to no transcript.
    """

    id: StepId
    accepts: frozenset[HandshakeType]
    follow: frozenset[Step]
    accepts_change: bool = False
    is_open: bool = False

    @property
    def expected(self) -> str:
        """What is accepted, as text; a Certificate may be compressed wherever it is accepted."""
        if self.accepts_change:
            return "change_cipher_spec"
        named = self.accepts - {HandshakeType.compressed_certificate}
        return " or ".join(sorted(each.name for each in named)) or "nothing"


def _row(step_id: str, accepts: set[HandshakeType], *follow: Step) -> StepRule:
    return StepRule(StepId(step_id), frozenset(accepts), frozenset(follow))


def _open(accepts: set[HandshakeType], *follow: Step) -> StepRule:
    return StepRule(StepId.APPLICATION_DATA, frozenset(accepts), frozenset(follow), is_open=True)


def _change(step_id: str, *follow: Step) -> StepRule:
    return StepRule(StepId(step_id), frozenset(), frozenset(follow), accepts_change=True)


_T = HandshakeType
_S = Step

LEGAL: Mapping[Role, Mapping[Step, StepRule]] = {
    Role.CLIENT: {
        _S.START: _row("1.1", set(), _S.WAIT_SH),
        _S.WAIT_SH: _row("1.2", {_T.server_hello}, _S.WAIT_SH_AFTER_RETRY, _S.WAIT_EE),
        _S.WAIT_SH_AFTER_RETRY: _row("1.2", {_T.server_hello}, _S.WAIT_EE),
        _S.WAIT_EE: _row("1.2", {_T.encrypted_extensions}, _S.WAIT_CERT_CR, _S.WAIT_FINISHED),
        _S.WAIT_CERT_CR: _row(
            "2.1",
            {_T.certificate_request, _T.certificate, _T.compressed_certificate},
            _S.WAIT_CERT,
            _S.WAIT_CV,
        ),
        _S.WAIT_CERT: _row("2.1", {_T.certificate, _T.compressed_certificate}, _S.WAIT_CV),
        _S.WAIT_CV: _row("2.2", {_T.certificate_verify}, _S.WAIT_FINISHED),
        _S.WAIT_FINISHED: _row("4.2", {_T.finished}, _S.JUDGING),
        _S.JUDGING: _row("2.3", set(), _S.SIGNING, _S.CONNECTED),
        _S.SIGNING: _row("3.2", set(), _S.CONNECTED),
        _S.CONNECTED: _open({_T.new_session_ticket, _T.key_update, _T.certificate_request}),
    },
    Role.SERVER: {
        _S.START: _row("1.1", set(), _S.WAIT_CH),
        _S.WAIT_CH: _row("1.1", {_T.client_hello}, _S.WAIT_CH_AFTER_RETRY, _S.SIGNING, _S.WAIT_FINISHED),
        _S.WAIT_CH_AFTER_RETRY: _row("1.1", {_T.client_hello}, _S.SIGNING, _S.WAIT_FINISHED),
        _S.SIGNING: _row("2.2", set(), _S.WAIT_CERT, _S.WAIT_FINISHED),
        _S.WAIT_CERT: _row("3.1", {_T.certificate, _T.compressed_certificate}, _S.WAIT_CV, _S.WAIT_FINISHED),
        _S.WAIT_CV: _row("3.4", {_T.certificate_verify}, _S.WAIT_FINISHED),
        _S.WAIT_FINISHED: _row("4.1", {_T.finished}, _S.JUDGING, _S.CONNECTED),
        _S.JUDGING: _row("3.3", set(), _S.CONNECTED),
        _S.CONNECTED: _open({_T.key_update}, _S.WAIT_CERT_CONNECTED),
        _S.WAIT_CERT_CONNECTED: _open(
            {_T.key_update, _T.certificate, _T.compressed_certificate}, _S.WAIT_CERT
        ),
    },
}

# TLS 1.2 (RFC 5246 figures 1 and 2, RFC 5077 3.1). Until the version is chosen, the table of TLS 1.3 is used.
LEGAL12: Mapping[Role, Mapping[Step, StepRule]] = {
    Role.CLIENT: {
        _S.WAIT_SH: _row("1.2", {_T.server_hello}, _S.WAIT_SERVER_CERT, _S.WAIT_TICKET, _S.WAIT_SERVER_CCS),
        _S.WAIT_SERVER_CERT: _row(
            "2.1", {_T.certificate}, _S.WAIT_STATUS_SKE, _S.WAIT_SKE, _S.WAIT_STATUS_CR_SHD, _S.WAIT_CR_SHD
        ),
        _S.WAIT_STATUS_SKE: _row(
            "2.1", {_T.certificate_status, _T.server_key_exchange}, _S.WAIT_SKE, _S.WAIT_CR_SHD
        ),
        _S.WAIT_SKE: _row("2.2", {_T.server_key_exchange}, _S.WAIT_CR_SHD),
        _S.WAIT_STATUS_CR_SHD: _row(
            "2.1",
            {_T.certificate_status, _T.certificate_request, _T.server_hello_done},
            _S.WAIT_CR_SHD,
            _S.WAIT_SHD,
            _S.JUDGING,
        ),
        _S.WAIT_CR_SHD: _row("2.2", {_T.certificate_request, _T.server_hello_done}, _S.WAIT_SHD, _S.JUDGING),
        _S.WAIT_SHD: _row("2.2", {_T.server_hello_done}, _S.JUDGING),
        _S.JUDGING: _row("2.3", set(), _S.SIGNING, _S.WAIT_TICKET, _S.WAIT_SERVER_CCS, _S.CONNECTED),
        _S.SIGNING: _row("3.2", set(), _S.WAIT_TICKET, _S.WAIT_SERVER_CCS),
        _S.WAIT_TICKET: _row("4.2", {_T.new_session_ticket}, _S.WAIT_SERVER_CCS),
        _S.WAIT_SERVER_CCS: _change("4.2", _S.WAIT_SERVER_FINISHED),
        _S.WAIT_SERVER_FINISHED: _row("4.2", {_T.finished}, _S.JUDGING, _S.CONNECTED),
        _S.CONNECTED: _open({_T.hello_request}),
    },
    Role.SERVER: {
        _S.WAIT_CH: _row(
            "1.1", {_T.client_hello}, _S.SIGNING, _S.WAIT_CLIENT_CERT, _S.WAIT_CKE, _S.WAIT_CLIENT_CCS
        ),
        _S.SIGNING: _row("2.2", set(), _S.WAIT_CLIENT_CERT, _S.WAIT_CKE),
        _S.WAIT_CLIENT_CERT: _row("3.1", {_T.certificate}, _S.WAIT_CKE),
        _S.WAIT_CKE: _row("2.4", {_T.client_key_exchange}, _S.WAIT_CLIENT_CV, _S.WAIT_CLIENT_CCS),
        _S.WAIT_CLIENT_CV: _row("3.4", {_T.certificate_verify}, _S.WAIT_CLIENT_CCS),
        _S.WAIT_CLIENT_CCS: _change("4.1", _S.WAIT_CLIENT_FINISHED),
        _S.WAIT_CLIENT_FINISHED: _row("4.1", {_T.finished}, _S.JUDGING, _S.CONNECTED),
        _S.JUDGING: _row("3.3", set(), _S.CONNECTED),
        _S.CONNECTED: _open({_T.client_hello}),
    },
}


def rules_of(role: Role, version: Version | None) -> Mapping[Step, StepRule]:
    """Return the rows of a role: those of TLS 1.2 once it is chosen, else those of TLS 1.3."""
    return _LEGAL_IN.get(version, LEGAL)[role]


def progress_of(role: Role, step: Step, *, confirmed: bool) -> Progress:
    """Return how far a connection has come at a step. confirmed: the peer is known to have accepted us."""
    if step in _HELLO_STEPS:
        return Progress.HELLO
    if step is Step.CONNECTED:
        return Progress.ACCEPTED if confirmed else Progress.JUDGED
    if role is Role.SERVER:
        # It verifies the client last, after the client's Finished has confirmed the server, and may do so again later.
        return Progress.ACCEPTED if confirmed or step is Step.JUDGING else Progress.JUDGED
    return Progress.JUDGED if step in _SHOWN_STEPS else Progress.CHOSEN


_HELLO_STEPS = frozenset(
    {Step.START, Step.WAIT_SH, Step.WAIT_SH_AFTER_RETRY, Step.WAIT_CH, Step.WAIT_CH_AFTER_RETRY}
)
# The steps of a client after its Certificate message.
_SHOWN_STEPS = frozenset({Step.SIGNING, Step.WAIT_TICKET, Step.WAIT_SERVER_CCS, Step.WAIT_SERVER_FINISHED})

_LEGAL_IN: Mapping[Version | None, Mapping[Role, Mapping[Step, StepRule]]] = {Version.TLS12: LEGAL12}


# The ids of the steps to which a message belongs, shown beside it in a ladder.
MESSAGE_IDS: Mapping[tuple[Role, int], tuple[StepId, ...]] = {
    (Role.CLIENT, _T.client_hello): (StepId.CLIENT_HELLO, StepId.KEY_EXCHANGE),
    (Role.SERVER, _T.server_hello): (StepId.SERVER_HELLO, StepId.KEY_EXCHANGE),
    (Role.SERVER, _T.encrypted_extensions): (StepId.SERVER_HELLO,),
    (Role.SERVER, _T.certificate_request): (StepId.SERVER_HELLO,),
    (Role.SERVER, _T.certificate): (StepId.SERVER_CERTIFICATE,),
    (Role.SERVER, _T.compressed_certificate): (StepId.SERVER_CERTIFICATE,),
    (Role.SERVER, _T.certificate_status): (StepId.SERVER_CERTIFICATE,),
    (Role.SERVER, _T.certificate_verify): (StepId.SERVER_SIGNATURE,),
    (Role.SERVER, _T.server_key_exchange): (StepId.SERVER_SIGNATURE, StepId.KEY_EXCHANGE),
    (Role.SERVER, _T.server_hello_done): (StepId.SERVER_SIGNATURE,),
    (Role.CLIENT, _T.client_key_exchange): (StepId.KEY_EXCHANGE,),
    (Role.SERVER, _T.finished): (StepId.SERVER_SIGNATURE, StepId.SERVER_FINISHED),
    (Role.CLIENT, _T.certificate): (StepId.CLIENT_CERTIFICATE,),
    (Role.CLIENT, _T.compressed_certificate): (StepId.CLIENT_CERTIFICATE,),
    (Role.CLIENT, _T.certificate_verify): (StepId.CLIENT_SIGNATURE,),
    (Role.CLIENT, _T.finished): (StepId.CLIENT_FINISHED,),
}

# In TLS 1.2 key shares come later, and the server's Finished is not part of its authentication.
MESSAGE_IDS12: Mapping[tuple[Role, int], tuple[StepId, ...]] = {
    **MESSAGE_IDS,
    (Role.CLIENT, _T.client_hello): (StepId.CLIENT_HELLO,),
    (Role.SERVER, _T.server_hello): (StepId.SERVER_HELLO,),
    (Role.SERVER, _T.finished): (StepId.SERVER_FINISHED,),
}

IDS_BY_FAULT: Mapping[Fault, StepId] = {
    Fault.UNSUPPORTED_VERSION: StepId.SERVER_HELLO,
    Fault.NO_SHARED_CIPHER_SUITE: StepId.SERVER_HELLO,
    Fault.NO_SHARED_GROUP: StepId.SERVER_HELLO,
    Fault.NO_CERTIFICATE_ON_OFFERED_CURVE: StepId.SERVER_HELLO,
    Fault.NO_SHARED_SCHEME: StepId.SERVER_HELLO,
    Fault.NO_SHARED_CERTIFICATE_TYPE: StepId.SERVER_HELLO,
    Fault.NO_SHARED_APPLICATION_PROTOCOL: StepId.SERVER_HELLO,
    Fault.UNKNOWN_SERVER_NAME: StepId.SERVER_HELLO,
    Fault.BAD_SHARE: StepId.KEY_EXCHANGE,
    Fault.KEY_DOES_NOT_FIT_SUITE: StepId.KEY_EXCHANGE,
    Fault.ACCESS_REFUSED: StepId.CLIENT_VERDICT,
    Fault.NO_ANSWER_TO_REQUEST: StepId.CLIENT_CERTIFICATE,
    Fault.DATA_BEFORE_CERTIFICATE: StepId.CLIENT_CERTIFICATE,
}


def message_ids(
    sender: Role, code: int, version: Version | None = None, *, is_open: bool = False
) -> tuple[StepId, ...]:
    """Return the ids of the steps to which a message belongs; after the handshake it is 4.3.

    is_open: it is protected by application keys. The client's answer to a request after the handshake has the ids of
    its authentication in the handshake.
    """
    if is_open and code == HandshakeType.certificate_request:
        return (StepId.APPLICATION_DATA,)
    return (MESSAGE_IDS12 if version is Version.TLS12 else MESSAGE_IDS).get(
        (sender, code), (StepId.APPLICATION_DATA,)
    )


def failed_check(role: Role, step: Step, fault: Fault, version: Version | None = None) -> StepId:
    """Return the id of the check that failed: that of the fault if it has one, else that of the step."""
    if fault.check is not None:
        return LEGAL[role][Step.JUDGING].id.part(fault.check.letter)
    return IDS_BY_FAULT.get(fault, rules_of(role, version)[step].id)
