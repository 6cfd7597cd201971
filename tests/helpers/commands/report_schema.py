"""The JSON Schema of what commands say to programs (docs/report.schema.json), and what is checked by it.

`make failures` writes the file.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any

from jsonschema import Draft202012Validator

from bothways.ca.import_existing import OTHER
from bothways.ca.profiles import Profile
from bothways.diagnosis import Cause, Party, Weight
from bothways.doctor import report as doctor
from bothways.errors import AlteredCertificate, ConfigError, IncompleteChain, StartTLSProblem, UnusableFile
from bothways.faults import Fault
from bothways.ladder import by_step
from bothways.ladder.model import Card
from bothways.starttls import PROTOCOLS
from bothways.trust.own_identity.chain import KeyMismatch
from bothways.trust.verdict import PROFILES, Outcome

Schema = dict[str, Any]

PATH = Path(__file__).parents[3] / "docs" / "report.schema.json"
COMMANDS = ("connect", "get", "verify", "doctor")  # which tell an error as JSON too
OTHERS = ("demo", "ca_list", "ca_audit", "gateway_explain")
# The errors of a command before it connects, each with a code of its own.
UNUSABLE = (ConfigError, UnusableFile, KeyMismatch, IncompleteChain, AlteredCertificate)
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def codes(names: typing.Iterable[str], **more: Any) -> Schema:
    return {"enum": list(names), **more}


def or_null(kind: Schema) -> Schema:
    return {"anyOf": [kind, {"type": "null"}]}


def shape(says: str, optional: tuple[str, ...] = (), /, **keys: Schema) -> Schema:
    """An object with these keys and no others; all are there but those that are optional."""
    required = [key for key in keys if key not in optional]
    return {
        "description": says,
        "type": "object",
        "properties": keys,
        "required": required,
        "additionalProperties": False,
    }


HANDSHAKE: Schema = {
    "version": TEXT,
    "suite": TEXT,
    "group": or_null(TEXT),
    "alpn": or_null(TEXT),
    "resumed": TRUTH,
    "peer": or_null(ref("peer")),
    "checks": listed(
        shape("a check of a handshake", id=TEXT, outcome=TEXT, text=TEXT),
    ),
    "own_certificate": codes(("not asked", "none sent", "sent")),
    "warnings": listed(TEXT),
}
EXPLAINED = {"explanation": or_null(ref("explanation"))}


def kinds_of_error() -> dict[str, Schema]:
    """Each kind of `error`, by its `kind`; those that come from elsewhere have their type's name."""
    plain = {"text": TEXT}
    refused = {
        "by": codes(("client", "server")),
        "step": or_null(TEXT),
        "state": TEXT,
        "alert": TEXT,
        "hint": TEXT,
    }
    found: dict[str, tuple[str, Schema]] = {
        "PeerFault": (
            "we refused the peer",
            {
                **refused,
                "fault": ref("fault"),
                "rule": TEXT,
                "sentence": TEXT,
                "reasons": listed(TEXT),
                **EXPLAINED,
            },
        ),
        "PeerAlert": ("the peer refused us by an alert", {**refused, "meaning": TEXT, **EXPLAINED}),
        "Truncated": (
            "the connection ended without close_notify",
            {"by": codes(("client", "server")), "step": or_null(TEXT), **EXPLAINED},
        ),
        "StartTLSFailed": (
            "the service did not turn to TLS when it was asked to; `said` is its own word, unauthenticated",
            {
                "by": codes(("server",)),
                "problem": codes(each.name for each in StartTLSProblem),
                "protocol": TEXT,
                "sentence": TEXT,
                "said": TEXT,
                **EXPLAINED,
            },
        ),
        "ServiceRefusal": ("the service refused the client in its first bytes", EXPLAINED),
        "Status": ("the HTTP status is 400 or higher", {"meaning": TEXT, **EXPLAINED}),
        "NotHTTP": ("the response is not HTTP", EXPLAINED),
        "Redirect": ("a redirect is not followed", {}),
        "Misuse": (
            "wrong use, or a file that cannot be read; the exit status is 2",
            {"code": codes(tuple(each.code for each in UNUSABLE)), "hint": TEXT},
        ),
    }
    return {
        kind: shape(says, ("explanation",), kind={"const": kind}, **plain, **keys)
        for kind, (says, keys) in found.items()
    }


def error() -> Schema:
    known = kinds_of_error()
    other = shape(
        "any other error: of the network by the name of its type and its number, or a defect",
        ("errno", "explanation"),
        kind={"type": "string", "not": {"enum": list(known)}},
        text=TEXT,
        errno=or_null(NUMBER),
        **EXPLAINED,
    )
    return {"oneOf": [*known.values(), other]}


def of_values(cls: type) -> Schema:
    """The schema of a dataclass of the doctor's report."""
    types = typing.get_type_hints(cls)
    return shape(
        (cls.__doc__ or "").partition("\n")[0],
        **{field.name: of_field(field.name, types[field.name]) for field in dataclasses.fields(cls)},
    )


def of_field(name: str, kind: Any) -> Schema:
    return or_null(ref("explanation")) if name == "explanation" else of_type(kind)


PLAIN = {str: TEXT, int: NUMBER, bool: TRUTH, float: {"type": "number"}, type(None): {"type": "null"}}


def of_type(kind: Any) -> Schema:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return codes(arguments)
    if origin is UnionType:
        return {"anyOf": [of_type(each) for each in arguments]}
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return listed(of_type(arguments[0]))
        kinds = [of_type(each) for each in arguments]
        return {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "maxItems": len(kinds)}
    if origin is dict:  # a failure is told as `error` is
        return ref("error")
    return ref(f"doctor_{DOCTOR[kind]}") if kind in DOCTOR else PLAIN[kind]


# By the names that docs/doctor.md has for them.
DOCTOR = {
    doctor.Report: "report",
    doctor.Section: "section",
    doctor.ReportRow: "row",
    doctor.ServerBehaviour: "server",
    doctor.VersionSupport: "version",
    doctor.Choices: "choices",
    doctor.HandshakeReport: "handshake",
    doctor.RequestedCertificate: "request",
    doctor.ReplyReport: "reply",
    Card: "card",
}


def definitions() -> dict[str, Schema]:
    profile = codes(PROFILES)
    names = {
        "subject": TEXT,
        "common_name": or_null(TEXT),
        **dict.fromkeys(("dns", "ip", "uri", "email"), listed(TEXT)),
    }
    reason = shape(
        "why a certificate is refused",
        fault=ref("fault"), position=or_null(NUMBER), subject=TEXT, text=TEXT, rule=TEXT, hint=TEXT,
    )  # fmt: skip
    check = shape("a check", check=TEXT, outcome=codes(each.value for each in Outcome), text=TEXT)
    judged = {"profile": profile, "names": or_null(ref("names")), "checks": listed(check)}
    answer = shape(
        "an HTTP response; `bytes` of content",
        version=TEXT, status=NUMBER, reason=TEXT, headers=listed(listed(TEXT)), bytes=NUMBER,
    )  # fmt: skip
    misuse = shape("wrong use, or a failure before anything could be reported", error=ref("error"))
    connected = {
        "address": TEXT, "profile": profile, "starttls": or_null(codes(PROTOCOLS)), **HANDSHAKE,
        "error": ref("error"), "reply": ref("explanation"),
    }  # fmt: skip
    got = {
        "url": TEXT, "profile": profile, **HANDSHAKE, "answer": answer, "redirect": TEXT, "error": ref("error"),
    }  # fmt: skip
    until = (*HANDSHAKE, "error", "reply", "answer", "redirect")
    return {
        "connect": {"anyOf": [shape("`bothways connect --json`, on standard error", until, **connected), misuse]},
        "get": {"anyOf": [shape("`bothways get --json`, on standard error", until, **got), misuse]},
        "verify": {
            "anyOf": [
                shape("`bothways verify --json`: trusted", trusted={"const": True}, **judged,
                      path=listed(TEXT), valid_until=TIME),
                shape("`bothways verify --json`: refused", trusted={"const": False}, **judged,
                      reasons=listed(reason), **EXPLAINED),
                misuse,
            ]
        },
        "doctor": {"anyOf": [ref("doctor_report"), misuse]},
        **of_demo(),
        **of_authority(),
        "gateway_explain": of_gateway(),
        "names": shape("every name of a certificate's holder", **names),
        "peer": shape(
            "who the peer proved to be; names and path are empty, and valid_until is null, for a key without one",
            kind={"enum": ["certificate", "raw public key", "pre-shared key"]},
            **names,
            path=listed(TEXT),
            raw_public_key=or_null(ref("raw_public_key")),
            pre_shared_key=or_null(ref("pre_shared_key")),
            valid_until=or_null(TIME),
        ),
        "raw_public_key": shape(
            "RFC 7250: the digest of a SubjectPublicKeyInfo, and the name of its pin", sha256=TEXT, pin=TEXT
        ),
        "pre_shared_key": shape(
            "RFC 9258: the identity of an external pre-shared key, and whom it stands for", identity=TEXT, peer=TEXT
        ),
        "error": error(),
        "explanation": shape(
            "what a failure means; `causes`: the likeliest first", happened=TEXT, usually=TEXT,
            causes={**listed(ref("likely")), "minItems": 1},
        ),
        "likely": shape(
            "a cause that a failure may have; `command` is for our own terminal, or empty",
            cause=ref("cause"), whose=codes(each.value for each in Party),
            weight=codes(each.name.lower() for each in Weight), text=TEXT, evidence=TEXT, remedy=TEXT, command=TEXT,
        ),
        "cause": {"description": "stable codes; docs/failures.md says what each means", **codes(c.name for c in Cause)},
        "fault": {"description": "stable codes of what a peer does wrong", **codes(each.name for each in Fault)},
        **{f"doctor_{name}": of_values(each) for each, name in DOCTOR.items()},
    }  # fmt: skip


def of_demo() -> dict[str, Schema]:
    """Each line of `bothways demo --json`."""
    run = codes(("mutual", "one-way", "stapled", "tolerant", "classic"))
    side = codes(("client", "server"))
    both = shape("by side", client=listed(TEXT), server=listed(TEXT))
    line = shape(
        "what one side did; `ms` since the first note, `size` in bytes",
        side=side, act=codes(typing.get_args(by_step.Act)), text=TEXT, detail=TEXT, size=or_null(NUMBER),
        ms={"type": "number"},
    )  # fmt: skip
    key = shape("a key that is used", kind=codes(typing.get_args(by_step.KeyKind)), text=TEXT)
    step = shape(
        "a step of a handshake",
        run=run, step=TEXT, phase=TEXT, actor=TEXT, title=TEXT, status=codes(typing.get_args(by_step.StepStatus)),
        lines=listed(line), keys=listed(key),
    )  # fmt: skip
    agreed = {"type": "object", "additionalProperties": TEXT}
    end = shape("a handshake", run=run, succeeded=TRUTH, client=agreed, server=agreed, warnings=both)
    scene = shape(
        "a handshake that is refused",
        scene=TEXT, story=TEXT, refused_by=side, step=TEXT, client=or_null(ref("error")),
        server=or_null(ref("error")), as_expected=TRUTH,
    )  # fmt: skip
    return {"demo": {"description": "each line of `bothways demo --json`", "anyOf": [step, end, scene]}}


def of_authority() -> dict[str, Schema]:
    """The arrays of `bothways ca list --json` and `bothways ca audit --json`."""
    certificate = shape(
        "an issued certificate",
        serial=TEXT, profile=codes([*(each.value for each in Profile), OTHER]), name=TEXT, names={"type": "object"},
        not_before=TIME, not_after=TIME, state=TEXT, reason=or_null(TEXT), revoked_at=or_null(TIME),
        replaced_by=or_null(TEXT),
    )  # fmt: skip
    entry = shape(
        "an entry of the audit log",
        number=NUMBER, at=TIME, actor=TEXT, action=TEXT, subject=TEXT, details={"type": "object"},
    )  # fmt: skip
    return {"ca_list": listed(certificate), "ca_audit": listed(entry)}


def of_gateway() -> Schema:
    """The object of `bothways gateway explain --json`."""
    reason = shape("why a certificate is not trusted", fault=ref("fault"), text=TEXT, rule=TEXT)
    rule = shape("a rule of a route", kind=TEXT, name=TEXT, holds=TRUTH, failing=or_null(TEXT))
    answer = shape(
        "whether a certificate may pass a route",
        route=TEXT, may_pass=TRUTH, trusted=TRUTH, reasons=listed(reason), rules=listed(rule),
        decided_by=or_null(TEXT), why=or_null(TEXT),
    )  # fmt: skip
    return shape("`bothways gateway explain --json`", routes=listed(answer))


def schema() -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the commands of bothways say with --json",
        "description": "One object for each run, an array for `ca list` and `ca audit`, and an object in each line for "
        "`demo`. Validate by the definition of the command: #/$defs/connect and so on.",
        "anyOf": [ref(each) for each in (*COMMANDS, *OTHERS)],
        "$defs": definitions(),
    }


def text() -> str:
    return json.dumps(schema(), indent=1) + "\n"


@cache
def validator(command: str) -> Draft202012Validator:
    whole = json.loads(PATH.read_text(encoding="utf-8"))
    return Draft202012Validator({"$defs": whole["$defs"], **ref(command)})


def report(command: str, said: str | bytes) -> dict[str, Any]:
    """What a command said to a program: exactly one object, of the form that docs/report.schema.json gives it."""
    return dict(checked(command, said))


def checked(command: str, said: str | bytes) -> Any:
    """What a command said to a program, of the form that docs/report.schema.json gives it."""
    reported = json.loads(said)
    wrong = [f"{each.json_path}: {each.message}"[:600] for each in validator(command).iter_errors(reported)]
    assert not wrong, (wrong, reported)
    return reported


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
