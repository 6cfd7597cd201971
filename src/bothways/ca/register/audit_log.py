"""The audit log: who did what and when. Each entry contains the hash of the entry before (`audit_chain`).

The last hash is also in the row of the CA, so that a shortened log is detected. The register must agree with the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, zip_longest
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.engine import Row

from bothways.audit_chain import ChainBroken, ChainCheck, Head
from bothways.ca.errors import AuditFailed
from bothways.ca.register.database import streamed
from bothways.ca.register.schema import AUDIT, AUTHORITIES, CERTIFICATES, CRLS
from bothways.trust.decoding import parsing

CRL, IMPORT = "crl", "import"
CHANGING = ("issue", "renew", "sign", IMPORT, "revoke", "release")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the audit log: who did what to which certificate or CRL, and when."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, object]


Visit = Callable[[AuditEntry], object]


def check_audit(connection: Connection, authority: str, visit: Visit | None, noted: Head | None) -> Head:
    """Verify the log of a CA, and compare the register with it, in one transaction; return the head.

    visit: called with each entry after its hash was verified. noted: a head that must be in the log. Raises
    AuditFailed, which names the first entry, certificate or CRL that is wrong.
    """
    head = _check_chain(connection, authority, visit, noted)
    _check_certificates(connection, authority)
    _check_crls(connection, authority)
    return head


def _check_chain(connection: Connection, authority: str, visit: Visit | None, noted: Head | None) -> Head:
    query = select(AUDIT).where(AUDIT.c.authority == authority).order_by(AUDIT.c.number)
    check = ChainCheck(noted)
    try:
        with streamed(connection, query) as rows:
            for row in rows:
                check.take(row._asdict(), row.hash)
                if visit is not None:
                    visit(_entry(row))
        head = check.end()
    except ChainBroken as error:
        raise AuditFailed(str(error)) from None
    _check_end(connection, authority, head)
    return head


def _check_end(connection: Connection, authority: str, head: Head) -> None:
    query = select(AUTHORITIES.c.audit_length, AUTHORITIES.c.audit_hash).where(AUTHORITIES.c.id == authority)
    stored = Head(*connection.execute(query).one())
    if head != stored:
        raise AuditFailed(
            f"the audit log was shortened: it has {head.number} entries and {stored.number} were written"
            if head.number != stored.number
            else f"the audit log was altered: entry {head.number} is not the one that was written last"
        )


class _State(NamedTuple):
    """The state of a certificate: digest, revocation, and the partition whose CRL covers it.

    `changed` is None if the log does not say after which CRL the last revocation or release was.
    """

    digest: object = None
    revoked_at: object = None
    reason: object = None
    partition: object = None
    changed: object = None


def _check_certificates(connection: Connection, authority: str) -> None:
    """Compare log and register, both ordered by serial number, without loading either into memory."""
    logged_query = (
        select(AUDIT.c.subject, AUDIT.c.action, AUDIT.c.at, AUDIT.c.details)
        .where(AUDIT.c.authority == authority, AUDIT.c.action.in_(CHANGING))
        .order_by(AUDIT.c.subject, AUDIT.c.number)
    )
    query = select(CERTIFICATES).where(CERTIFICATES.c.authority == authority).order_by(CERTIFICATES.c.serial)
    with streamed(connection, logged_query) as entries, streamed(connection, query) as rows:
        for logged, row in zip_longest(_logged_states(entries), rows):
            if logged is None or row is None or logged[0] != row.serial:
                serial = min(each for each in (logged and logged[0], row and row.serial) if each)
                raise AuditFailed(
                    f"the register and the audit log disagree about certificate {serial}: it is missing in one of them"
                )
            if _state(row, logged[1]) != logged[1] or not _has_own_end(row):
                raise AuditFailed(
                    f"the register and the audit log disagree about certificate {row.serial}: it was altered"
                )


def _logged_states(entries: Iterable[Row[Any]]) -> Iterator[tuple[str, _State]]:
    """The state of each certificate according to the log; the entries are ordered by serial number."""
    for serial, rows in groupby(entries, key=lambda row: row.subject):
        state = _State()
        for row in rows:
            details = json.loads(row.details)
            match row.action:
                case "revoke":
                    at, after = details.get("at", row.at), details.get("after")
                    state = state._replace(revoked_at=at, reason=details.get("reason"), changed=after)
                case "release":
                    state = state._replace(revoked_at=None, reason=None, changed=details.get("after"))
                case "import":
                    state = _imported(state, details)
                case _:
                    partition = details.get("partition")
                    state = state._replace(digest=details.get("sha256"), partition=partition)
        yield serial, state


def _imported(before: _State, details: Mapping[str, object]) -> _State:
    """The state after an import, which adds a certificate to a CRL entry, or a revocation to a certificate."""
    after = before._replace(digest=details.get("sha256") or before.digest)
    if before.reason is not None or details.get("reason") is None:
        return after
    return after._replace(
        revoked_at=details.get("at"), reason=details.get("reason"), changed=details.get("after")
    )


def _state(row: Row[Any], logged: _State) -> _State:
    """The state of a certificate according to the register, with `changed` only if the log has it too."""
    digest = None if row.certificate is None else hashlib.sha256(row.certificate).hexdigest()
    changed = None if logged.changed is None else row.changed
    return _State(digest, row.revoked_at, row.reason, row.partition, changed)


def _has_own_end(row: Row[Any]) -> bool:
    """Whether the stored notAfter is that of the certificate: an earlier one would remove it from CRLs."""
    if row.certificate is None:
        return True
    try:
        end = parsing.certificate(row.certificate).not_valid_after_utc
    except parsing.EncodingError:
        return False
    return bool(int(end.timestamp()) == row.not_after)


def _check_crls(connection: Connection, authority: str) -> None:
    """Compare the stored CRLs, the newest of each series, with those that the log says were published."""
    logged = connection.execute(
        select(AUDIT.c.subject, AUDIT.c.details)
        .where(AUDIT.c.authority == authority, AUDIT.c.action == CRL)
        .order_by(AUDIT.c.number)
    )
    newest: dict[object, tuple[int, object]] = {}
    for subject, text in logged:
        details = json.loads(text)
        series = details.get("partition"), "base" in details
        newest[series] = int(subject), details.get("sha256")
    expected = dict(newest.values())
    number = 0
    stored = select(CRLS.c.number, CRLS.c.crl).where(CRLS.c.authority == authority).order_by(CRLS.c.number)
    with streamed(connection, stored) as rows:
        for row in rows:
            number = row.number
            if expected.pop(number, "") not in (None, hashlib.sha256(row.crl).hexdigest()):
                raise AuditFailed(f"the register and the audit log disagree about CRL number {number}")
    if expected:
        raise AuditFailed(f"the register and the audit log disagree about CRL number {min(expected)}")
    query = select(AUTHORITIES.c.crl_number).where(AUTHORITIES.c.id == authority)
    head = connection.execute(query).scalar_one()
    if head < number:
        raise AuditFailed(f"the next CRL would have number {head + 1}, but number {number} was published")


def _entry(row: Row[Any]) -> AuditEntry:
    at = datetime.fromtimestamp(row.at, UTC)
    return AuditEntry(row.number, at, row.actor, row.action, row.subject, json.loads(row.details))
