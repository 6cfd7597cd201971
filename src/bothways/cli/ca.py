"""`bothways ca`: an authority of one's own in a directory."""

from __future__ import annotations

import getpass
import json
import os
import re
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca import directory
from bothways.ca.authority import Issued, utc_now
from bothways.ca.crl import HOLD, REASONS
from bothways.ca.keys import KeyType
from bothways.ca.office import Office, Terms, register_of, root_pem
from bothways.ca.profiles import Constraints, Holder, Profile
from bothways.ca.register import Entry, Register
from bothways.cli.options import ADDRESS, FILE, Address
from bothways.cli.terminal import passphrase as ask_passphrase
from bothways.cli.terminal import refuse, say
from bothways.errors import ConfigError
from bothways.explain.escape import visible

PASSPHRASE = "BOTHWAYS_CA_PASSPHRASE"
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
KEYS = click.Choice([key_type.value for key_type in KeyType])
LEAVES = click.Choice([profile.value for profile in Profile if profile is not Profile.SUB_CA])

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[timedelta]):
    """A length of time: 90d, 12h, 30m."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a length of time, or say how one is written."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([mhd])", str(value))
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no length of time; write 90d, 12h or 30m", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


DURATION = Duration()
DIRECTORY = click.argument("path", type=click.Path(path_type=Path), metavar="DIR")


@click.group("ca")
def command() -> None:
    """Issue certificates to both sides, and take them back.

    The keys are sealed with a passphrase: from $BOTHWAYS_CA_PASSPHRASE, --passphrase-file, or asked for.
    """


def options(*added: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Add several options to a command, in the order of the list."""

    def add(function: Command) -> Command:
        for option in reversed(added):
            function = option(function)
        return function

    return add


SEALED = options(
    click.option(
        "--passphrase-file", type=FILE, metavar="FILE", help="First line: the authority's passphrase."
    ),
    click.option("--insecure-no-passphrase", is_flag=True, help="The keys are not sealed; for tests."),
)
NAMES = options(
    click.option("--name", metavar="NAME", help="What people call the holder."),
    click.option("--dns", multiple=True, metavar="NAME", help="A host name; may be repeated."),
    click.option("--ip", multiple=True, metavar="ADDRESS", help="An address; may be repeated."),
    click.option(
        "--uri", multiple=True, metavar="URI", help="Such as spiffe://example/alice; may be repeated."
    ),
    click.option("--email", multiple=True, metavar="ADDRESS", help="A mail address; may be repeated."),
)
PROFILE = click.option("--profile", type=LEAVES, required=True, help="What the certificate is for.")
LIFETIME = click.option("--lifetime", type=DURATION, help="Such as 90d or 12h.  [default: 90d; ocsp 7d]")
OUT = click.option("--out", required=True, metavar="NAME", help="Write NAME.pem, NAME.key ...")
P12 = options(
    click.option("--p12", is_flag=True, help="Also NAME.p12, for browsers and Java."),
    click.option(
        "--p12-password-file", type=FILE, metavar="FILE", help="First line: the password of NAME.p12."
    ),
)
FORCE = click.option("--force", is_flag=True, help="Overwrite what is there.")


@command.command("init")
@DIRECTORY
@click.option("--name", required=True, metavar="NAME", help="What the authority is called.")
@click.option("--key", type=KEYS, default="p256", show_default=True, help="The type of its keys.")
@click.option(
    "--url", default="", metavar="URL", help="Where `ca serve` will answer; goes into certificates."
)
@click.option("--store", default="", metavar="URL", help="Another register than SQLite in DIR.")
@click.option("--no-intermediate", is_flag=True, help="Let the root itself issue.")
@click.option(
    "--permit", multiple=True, metavar="KIND:NAME", help="Vouch only for these; dns, ip, uri, email."
)
@click.option("--exclude", multiple=True, metavar="KIND:NAME", help="Never vouch for these.")
@SEALED
def init(
    path: Path,
    name: str,
    key: str,
    url: str,
    store: str,
    no_intermediate: bool,
    permit: tuple[str, ...],
    exclude: tuple[str, ...],
    passphrase_file: str | None,
    insecure_no_passphrase: bool,
) -> None:
    """Make a root and an authority under it that issues.

    The root signs nothing else: move root.key to a safe place. Its list of revoked authorities is signed
    already.
    """
    if url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        refuse(f"--url: {visible(url)} is no http:// address")
    terms = Terms(name, KeyType(key), store, url, not no_intermediate, _constraints(permit, exclude))
    passphrase = _new_passphrase(passphrase_file, insecure_no_passphrase)
    office = Office.create(path, terms, passphrase, actor=_actor())
    office.close()
    root = office.authority.root
    say(f"made {_subject(root)}, valid until {root.not_valid_after_utc:%Y-%m-%d}")
    if not no_intermediate:
        issuing = office.authority.certificate
        say(f"made {_subject(issuing)}, which issues, valid until {issuing.not_valid_after_utc:%Y-%m-%d}")
        say(f"move {path / 'root.key'} to a safe place: it is not needed day to day")
    if insecure_no_passphrase:
        say("the keys are not sealed: who reads them can issue")


@command.command("issue")
@DIRECTORY
@PROFILE
@NAMES
@click.option("--key", type=KEYS, default="p256", show_default=True, help="The type of the holder's key.")
@LIFETIME
@OUT
@P12
@FORCE
@SEALED
def issue(
    path: Path,
    profile: str,
    name: str | None,
    dns: tuple[str, ...],
    ip: tuple[str, ...],
    uri: tuple[str, ...],
    email: tuple[str, ...],
    key: str,
    lifetime: timedelta | None,
    out: str,
    p12: bool,
    p12_password_file: str | None,
    force: bool,
    passphrase_file: str | None,
    insecure_no_passphrase: bool,
) -> None:
    """Make a key and a certificate: NAME.pem (with the chain) and NAME.key."""
    suffixes = (".key", ".pem", *((".p12",) if p12 else ()))
    _check_free(out, suffixes, force)
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        holder = Holder(name, dns, ip, uri, email)
        issued = office.issue(Profile(profile), holder, key_type=KeyType(key), lifetime=lifetime)
    _hand_out(issued, out, p12, p12_password_file)


@command.command("sign")
@DIRECTORY
@click.argument("request", type=FILE, metavar="REQUEST")
@PROFILE
@NAMES
@LIFETIME
@OUT
@FORCE
@SEALED
def sign(
    path: Path,
    request: str,
    profile: str,
    name: str | None,
    dns: tuple[str, ...],
    ip: tuple[str, ...],
    uri: tuple[str, ...],
    email: tuple[str, ...],
    lifetime: timedelta | None,
    out: str,
    force: bool,
    passphrase_file: str | None,
    insecure_no_passphrase: bool,
) -> None:
    """Issue a certificate for a signing REQUEST: NAME.pem.

    Of what it asks for, the names are taken, or those that are given here in their place.
    """
    _check_free(out, (".pem",), force)
    data = directory.read(Path(request))
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        holder = Holder(name, dns, ip, uri, email)
        issued = office.sign(
            data,
            Profile(profile),
            holder=None if holder == Holder() else holder,
            lifetime=lifetime,
            source=request,
        )
    _hand_out(issued, out)


@command.command("renew")
@DIRECTORY
@click.argument("which", required=False, metavar="[WHICH]")
@click.option("--expiring", type=DURATION, help="All that end within this time; --out is a directory.")
@click.option("--same-key", is_flag=True, help="Certify the old key again; writes no NAME.key.")
@OUT
@P12
@SEALED
def renew(
    path: Path,
    which: str | None,
    expiring: timedelta | None,
    same_key: bool,
    out: str,
    p12: bool,
    p12_password_file: str | None,
    passphrase_file: str | None,
    insecure_no_passphrase: bool,
) -> None:
    """Issue a certificate in the place of one that is still good.

    WHICH is a file, a serial number or a name. What is at NAME.pem and NAME.key is replaced.
    """
    if (which is None) == (expiring is None):
        refuse("say which certificate to renew, or --expiring and a time")
    into = Path(out) if which is None else Path(out).parent
    if not into.is_dir():
        refuse(f"{into}: there is no such directory")
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        if which is not None:
            entry = _known(office.register, which)
            _hand_out(office.renew(entry.serial, same_key=same_key), out, p12, p12_password_file)
        else:
            now = utc_now()
            for entry in office.register.expiring(now + (expiring or timedelta()), now):
                issued = office.renew(entry.serial, same_key=same_key)
                _hand_out(
                    issued, str(Path(out) / _file_name(entry.name, issued.serial)), p12, p12_password_file
                )


@command.command("revoke")
@DIRECTORY
@click.argument("which", metavar="WHICH")
@click.option(
    "--reason",
    default="unspecified",
    show_default=True,
    type=click.Choice(list(REASONS), case_sensitive=False),
    help="Why.",
)
@SEALED
def revoke(
    path: Path, which: str, reason: str, passphrase_file: str | None, insecure_no_passphrase: bool
) -> None:
    """Take a certificate back: WHICH is a file, a serial number or a name.

    With the reason certificateHold it can be released again, else it is for good. Others learn of it from the
    next list, `bothways ca crl`.
    """
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        entry = _known(office.register, which)
        office.revoke(entry.serial, reason)
    say(f"revoked {visible(entry.name)}, serial {entry.serial:x}, for {reason}")
    say(f"publish a new list: bothways ca crl {path} --out crl.pem")


@command.command("release")
@DIRECTORY
@click.argument("which", metavar="WHICH")
@SEALED
def release(path: Path, which: str, passphrase_file: str | None, insecure_no_passphrase: bool) -> None:
    """Release a certificate that was revoked with the reason certificateHold."""
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        entry = _known(office.register, which, held=True)
        office.release(entry.serial)
    say(f"released {visible(entry.name)}, serial {entry.serial:x}")


@command.command("crl")
@DIRECTORY
@click.option("--out", metavar="FILE", help="Write there instead of standard output.")
@click.option("--lifetime", type=DURATION, default="7d", show_default=True, help="Until when it may be used.")
@SEALED
def crl(
    path: Path,
    out: str | None,
    lifetime: timedelta,
    passphrase_file: str | None,
    insecure_no_passphrase: bool,
) -> None:
    """Sign a new list of what is revoked; the root's own list goes with it, in one PEM."""
    with _open(path, passphrase_file, insecure_no_passphrase) as office:
        text = office.crls_pem(lifetime)
    if out is None:
        sys.stdout.write(text.decode())
        return
    directory.write(Path(out), text, directory.PUBLIC)
    newest = x509.load_pem_x509_crl(text)
    number = newest.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    say(f"wrote {out}: list number {number} of {_count(len(newest), 'revoked certificate')}")


@command.command("serve")
@DIRECTORY
@click.option("--listen", type=ADDRESS, default="127.0.0.1:8080", show_default=True, help="Where.")
@SEALED
def serve(path: Path, listen: Address, passphrase_file: str | None, insecure_no_passphrase: bool) -> None:
    """Answer over HTTP: OCSP, revocation lists, certificates.

    The paths are those that `ca init --url` writes into certificates: /ocsp, /crl/..., /ca/...; beside them
    /health and /metrics. Prints `listening on HOST:PORT` on standard error when it is ready. SIGINT or SIGTERM
    end it.
    """
    import uvicorn

    from bothways.ca.service import service

    with (
        _open(path, passphrase_file, insecure_no_passphrase) as office,
        socket.create_server(listen, family=socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as own,
    ):
        say(f"listening on {Address(listen.host, own.getsockname()[1])}")
        # What uvicorn does with a signal is to end, and then to raise it again.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server = uvicorn.Server(uvicorn.Config(service(office), log_level="warning", lifespan="off"))
        server.run(sockets=[own])


@command.command("list")
@DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def list_(path: Path, as_json: bool) -> None:
    """List what was issued, by its begin."""
    with register_of(path) as register:
        now = utc_now()
        if as_json:
            sys.stdout.write(json.dumps([_as_json(entry, now) for entry in register.all()]) + "\n")
        else:
            for entry in register.all():
                state = _state(entry, now)
                words = f"{state} for {entry.reason}" if entry.reason and state == "revoked" else state
                end = f"{entry.not_after:%Y-%m-%d %H:%M}"
                name = visible(entry.name)
                sys.stdout.write(f"{entry.serial:032x}  {entry.profile:7}  {end}  {words:9}  {name}\n")


@command.command("root")
@DIRECTORY
def root(path: Path) -> None:
    """Write the root's certificate to standard output: what others take as their anchor."""
    sys.stdout.write(root_pem(path).decode())


@command.command("audit")
@DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def audit(path: Path, as_json: bool) -> int:
    """Verify the audit log and show it; the exit status is 1 if it was altered."""
    register = register_of(path)
    try:
        entries = register.audit()
    except ConfigError as error:
        say(f"bothways: {error}")
        return 1
    finally:
        register.close()
    if as_json:
        rows = [
            {
                "number": entry.number,
                "at": entry.at.isoformat(),
                "actor": entry.actor,
                "action": entry.action,
                "subject": entry.subject,
                "details": dict(entry.details),
            }
            for entry in entries
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return 0
    for entry in entries:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        words = f"{entry.number:6}  {at}  {visible(entry.actor)}  {entry.action:7}  {visible(entry.subject)}"
        sys.stdout.write(words + "\n")
    say(f"the log is whole: {_count(len(entries), 'entry')}")
    return 0


def _open(path: Path, passphrase_file: str | None, insecure: bool) -> Office:
    """Open an authority; ask for its passphrase only where it needs one and a person is there."""
    given = None if insecure else _given_passphrase(passphrase_file)
    try:
        return Office.open(path, given, actor=_actor())
    except ConfigError as error:
        if "its passphrase is needed" not in str(error):
            raise
        asked = ask_passphrase(None, str(path))
        if asked is None:
            refuse(str(error), f"set {PASSPHRASE}, or give --passphrase-file")
        return Office.open(path, asked.encode(), actor=_actor())


def _given_passphrase(file: str | None) -> bytes | None:
    text = ask_passphrase(file, "") if file is not None else os.environ.get(PASSPHRASE)
    return text.encode() if text else None


def _new_passphrase(file: str | None, insecure: bool) -> bytes | None:
    if insecure:
        return None
    given = _given_passphrase(file)
    if given is not None:
        return given
    first = ask_passphrase(None, "the new authority")
    if first is None:
        refuse(
            "the authority's keys need a passphrase",
            f"set {PASSPHRASE}, or give --passphrase-file; --insecure-no-passphrase is for tests",
        )
    if ask_passphrase(None, "the new authority, once more") != first:
        refuse("the two passphrases differ; nothing was made")
    return first.encode()


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _constraints(permit: tuple[str, ...], exclude: tuple[str, ...]) -> Constraints:
    values: dict[str, tuple[str, ...]] = {}
    for word, given in (("permitted", permit), ("excluded", exclude)):
        for each in given:
            kind, colon, name = each.partition(":")
            if not colon or kind not in ("dns", "ip", "uri", "email") or not name:
                refuse(
                    f"{visible(each)} is no constraint; write dns:example.com, ip:10.0.0.0/8, uri: or email:"
                )
            values[f"{word}_{kind}"] = (*values.get(f"{word}_{kind}", ()), name)
    return Constraints(**values)


def _check_free(out: str, suffixes: tuple[str, ...], force: bool) -> None:
    taken = [out + suffix for suffix in suffixes if Path(out + suffix).exists()]
    if taken and not force:
        refuse(f"{taken[0]} is there already", "choose another --out, or give --force")
    if not Path(out).parent.is_dir():
        refuse(f"{Path(out).parent}: there is no such directory")


def _hand_out(issued: Issued, out: str, p12: bool = False, p12_password_file: str | None = None) -> None:
    """Write what was issued; by now the register knows it."""
    written = [out + ".pem"]
    if issued.key is not None:
        directory.write(Path(out + ".key"), issued.key_pem, directory.PRIVATE)
        written.append(out + ".key")
        if p12:
            password = _p12_password(out, p12_password_file)
            directory.write(Path(out + ".p12"), issued.pkcs12(password, Path(out).name), directory.PRIVATE)
            written.append(out + ".p12")
    directory.write(Path(out + ".pem"), issued.chain_pem, directory.PUBLIC)
    end = issued.certificate.not_valid_after_utc
    say(f"wrote {', '.join(written)}: serial {issued.serial:x}, valid until {end:%Y-%m-%d %H:%M} UTC")


def _p12_password(out: str, file: str | None) -> bytes:
    given = ask_passphrase(file, f"{out}.p12")
    if given is None:
        given = secrets.token_urlsafe(15)
        directory.write(Path(out + ".p12-password"), given.encode() + b"\n", directory.PRIVATE)
        say(f"wrote {out}.p12-password: the password of {out}.p12, since none was given")
    return given.encode()


def _known(register: Register, which: str, held: bool = False) -> Entry:
    """Find a certificate by the file it is in, its serial number, or its holder's name."""
    if Path(which).is_file():
        return _by_file(register, which)
    digits = which.replace(":", "").removeprefix("0x")
    if re.fullmatch(r"[0-9a-fA-F]{1,40}", digits):
        entry = register.find(int(digits, 16))
        if entry is not None:
            return entry
    return _by_name(register, which, held)


def _by_file(register: Register, file: str) -> Entry:
    data = directory.read(Path(file))
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
    found = register.named(name)
    good = [entry for entry in found if _state(entry, now) in states]
    if len(good) == 1:
        return good[0]
    if len(good) > 1:
        serials = ", ".join(f"{entry.serial:x}" for entry in good)
        refuse(f"{visible(name)} has {len(good)} certificates; say which serial number: {serials}")
    if found:
        return found[-1]
    refuse(f"{visible(name)}: no file, serial number or name of what was issued here")


def _state(entry: Entry, now: datetime) -> str:
    if entry.reason == HOLD:
        return "held"
    if entry.revoked_at is not None:
        return "revoked"
    return "expired" if entry.not_after < now else "good"


def _as_json(entry: Entry, now: datetime) -> dict[str, object]:
    return {
        "serial": f"{entry.serial:x}",
        "profile": entry.profile,
        "name": entry.name,
        "names": dict(entry.names),
        "not_before": entry.not_before.isoformat(),
        "not_after": entry.not_after.isoformat(),
        "state": _state(entry, now),
        "reason": entry.reason,
        "revoked_at": None if entry.revoked_at is None else entry.revoked_at.isoformat(),
        "replaced_by": None if entry.replaced_by is None else f"{entry.replaced_by:x}",
    }


def _file_name(name: str, serial: int) -> str:
    """A name for files that no holder's name can lead out of the directory."""
    safe: str = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:60]
    return f"{safe or 'certificate'}-{serial:x}"


def _subject(certificate: x509.Certificate) -> str:
    return visible(certificate.subject.rfc4514_string())


def _count(number: int, what: str) -> str:
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number} {what if number == 1 else plural}"
