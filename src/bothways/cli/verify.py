"""`bothways verify`: verifies a certificate as in a handshake, and prints every reason."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from bothways.cli.options.anchors import load_anchors, profile_option
from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds, refuse_others
from bothways.cli.options.revocation import Sources, sources_options
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import DONE, FAILED, passphrase, refuse
from bothways.describe.escape import visible
from bothways.diagnosis import Explanation, Files, explain_verdict, facts_of
from bothways.faults import Fault, Reason, hint_of
from bothways.ladder.report import names_facts
from bothways.roles import StepId
from bothways.trust import files
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.files import certificates_in, without_certificate
from bothways.trust.certificate.parsed import subject_of
from bothways.trust.decoding.pem import blocks
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.own_identity.credentials import Credentials, is_pkcs12
from bothways.trust.path.validation import LIMITS, Limits
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Profile, Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify

PURPOSES = {"server": Purpose.SERVER, "client": Purpose.CLIENT}
STEPS = {"server": StepId.SERVER_VERDICT, "client": StepId.CLIENT_VERDICT}
# Larger than for a peer's chain, since a file may contain many intermediate certificates.
OWN_FILES = Limits(certificates=256, octets=1024 * 1024, depth=LIMITS.depth, microseconds=5_000_000.0)


class TimeType(click.ParamType[datetime]):
    """A time: 2026-06-01, 2026-06-01T12:00, or with seconds and time zone; the default is UTC."""

    name = "TIME"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse a time; raises `click.BadParameter`."""
        if isinstance(value, datetime):
            return value
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time; expected one like 2026-06-01 or 2026-06-01T12:00:00Z", param, ctx
            )
        return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


@click.command("verify")
@click.argument("cert", type=FILE, metavar="CERT")
@click.option("--ca", required=True, type=FILE, metavar="FILE", help="The trusted CA certificates (PEM).")
@click.option(
    "--purpose",
    type=click.Choice(list(PURPOSES)),
    default="server",
    show_default=True,
    help="Verify it as a server's or a client's certificate.",
)
@profile_option
@click.option(
    "--name", metavar="NAME", help="The DNS name, IP address or URI that the certificate must contain."
)
@sources_options
@click.option(
    "--ocsp", type=FILE, metavar="FILE", multiple=True, help="OCSP responses, DER or PEM; repeatable."
)
@click.option(
    "--at",
    type=TimeType(),
    metavar="TIME",
    help="Verify for this time instead of now, such as 2026-06-01T12:00:00Z.",
)
@click.option(
    "--password-file",
    type=FILE,
    metavar="FILE",
    help="A file; its first line is the password of the PKCS#12 file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    cert: str,
    ca: str,
    purpose: str,
    profile: Profile,
    name: str | None,
    sources: Sources,
    ocsp: tuple[str, ...],
    at: datetime | None,
    password_file: str | None,
    as_json: bool,
) -> int:
    """Verify the first certificate in CERT, with the chain behind it, as a handshake would.

    CERT is PEM (the leaf certificate first), DER or PKCS#12. The exit status is 0 if it is trusted, 1 if it is refused.
    """
    if profile != "private" and purpose != "server":
        refuse(f"--profile {profile} applies to servers only", "leave it out, or use --purpose server")
    chain, anchors = _chain(cert, password_file), load_anchors(ca, profile)
    now, revocation = at or datetime.now(UTC), sources.load(ocsp)
    asked = _Asked(chain, anchors, PURPOSES[purpose], name, now, revocation)
    verdict = asked.verdict()
    why = asked.explanation(verdict, Files(cert=cert, ca=ca)) if isinstance(verdict, Refused) else None
    if as_json:
        sys.stdout.write(json.dumps(_facts(verdict, why)) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(cert, purpose, verdict, why)) + "\n")
    return DONE if isinstance(verdict, Trusted) else FAILED


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is verified: a chain for a purpose, a name and a time, by trust anchors and a policy."""

    chain: list[bytes]
    anchors: TrustStore
    purpose: Purpose
    name: str | None
    at: datetime
    revocation: Revocation | None

    def verdict(self) -> Verdict:
        """Return the verdict, with evidence that is fetched if the policy allows it."""
        if self.revocation is None or self.revocation.fetch is None:
            return self._judged()
        from bothways.fetch import blocking  # HTTP is loaded only where something is to be fetched

        return blocking.judged(self._judged, self.revocation.fetch, self.at)

    def _judged(self, fetched: FetchedEvidence | None = None) -> Verdict:
        return verify(
            self.chain,
            self.anchors,
            purpose=self.purpose,
            name=self.name,
            at=self.at,
            revocation=self.revocation,
            key_usage=None,
            limits=OWN_FILES,
            fetched=fetched,
        )

    def explanation(self, refused: Refused, named: Files) -> Explanation:
        """Return why it was refused, with commands that name these files."""
        return explain_verdict(
            refused,
            self.chain,
            self.anchors,
            purpose=self.purpose,
            name=self.name,
            at=self.at,
            files=named,
        )


def _chain(path: str, password_file: str | None) -> list[bytes]:
    with explaining_file_kinds((path, Wanted.IDENTITY)):
        return _read_chain(path, password_file)


def _read_chain(path: str, password_file: str | None) -> list[bytes]:
    data = files.content(path)
    refuse_others(path, data, Wanted.IDENTITY)
    if not blocks(data) and is_pkcs12(data):
        password = passphrase(password_file, path)
        return list(Credentials.from_pkcs12(data, password).chain)
    chain = certificates_in(data, path)
    if not chain:
        raise without_certificate(data, path)
    return chain


def _lines(path: str, purpose: str, verdict: Verdict, why: Explanation | None) -> list[str]:
    who = (
        visible(verdict.names.subject)
        if verdict.names is not None
        else "a certificate that cannot be decoded"
    )
    found = "trusted" if isinstance(verdict, Trusted) else "refused"
    lines = [f"{visible(path, 1000)}: {found} as a {purpose}: {who}"]
    width = max((len(each.outcome.value) for each in verdict.findings), default=0)
    lines += [
        f"  {STEPS[purpose].part(each.letter)}  {each.outcome.value:<{width}}  {visible(_of_file(each.text), 600)}"
        for each in verdict.findings
    ]
    if isinstance(verdict, Trusted):
        subjects = [visible(subject_of(each)) for each in verdict.path]
        return [
            *lines,
            f"  path  {' < '.join(subjects)}",
            f"  until {verdict.valid_until:%Y-%m-%d %H:%M} UTC",
        ]
    lines += [f"  because {_of_file(str(reason))} ({reason.rule})" for reason in verdict.reasons]
    lines += [f"  {line}" for line in why.lines()] if why is not None else []
    other = "client" if purpose == "server" else "server"
    if any(_is_for(other, reason) for reason in verdict.reasons):
        lines.append(f"  This is a {other}'s certificate: --purpose {other} verifies it as one")
    return lines


def _is_for(purpose: str, reason: Reason) -> bool:
    """Return whether our certificate was refused because it is for this purpose alone."""
    wrong = reason.fault is Fault.WRONG_EXTENDED_KEY_USAGE and reason.position == 0
    return wrong and f"{purpose}Auth" in str(reason.facts.get("got"))


def _facts(verdict: Verdict, why: Explanation | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "trusted": isinstance(verdict, Trusted),
        "profile": verdict.profile,
        "names": names_facts(verdict.names) if verdict.names is not None else None,
        "checks": [
            {"check": each.letter, "outcome": each.outcome.value, "text": visible(_of_file(each.text), 600)}
            for each in verdict.findings
        ],
    }
    if isinstance(verdict, Refused):
        reasons = [_reason_facts(reason) for reason in verdict.reasons]
        told = None if why is None else facts_of(why) | {"happened": _of_file(why.happened)}
        return facts | {"reasons": reasons, "explanation": told}
    return facts | {
        "path": [visible(subject_of(each)) for each in verdict.path],
        "valid_until": verdict.valid_until.isoformat(),
    }


def _reason_facts(reason: Reason) -> dict[str, object]:
    return {
        "fault": reason.fault.name,
        "position": reason.position,
        "subject": visible(reason.subject),
        "text": _of_file(str(reason)),
        "rule": reason.rule,
        "hint": hint_of(reason.fault, reason.facts),
    }


def _of_file(text: str) -> str:
    """Return a sentence about a peer that sent a certificate as one about a certificate: nobody sent it here."""
    return _SENT.sub(r"\1", text)


_SENT = re.compile(r"(^|: )(?:the (?:server|client) )?sent (?=an? |no )")
