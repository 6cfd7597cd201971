"""The files of a new certificate: the certificate with its chain, the key, PKCS#12."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from bothways.ca.authority import P12_MLDSA, Issued
from bothways.ca.errors import FileUnusable
from bothways.ca.home import files
from bothways.ca.keys import KeyType
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import passphrase, refuse, say
from bothways.errors import UsageError


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """The name of the files (`out`), and which are written."""

    out: str
    p12: bool = False
    p12_password_file: str | None = None
    force: bool = False
    p12_password: str | None = field(default=None, repr=False)

    def prepared(self, *suffixes: str, key_type: KeyType | None = None) -> OutputFiles:
        """Refuse files that cannot be written, and prompt for the password, before anything is issued."""
        if self.p12 and key_type is KeyType.MLDSA65:
            refuse(P12_MLDSA, "leave out --p12")
        if suffixes:
            self._check_name()
        suffixes += (".p12",) if self.p12 else ()
        for suffix in suffixes:
            files.check_target(Path(self.out + suffix))
        existing = [self.out + suffix for suffix in suffixes if Path(self.out + suffix).exists()]
        if existing and not self.force:
            refuse(f"{existing[0]} exists already", "choose another --out, or give --force")
        if not Path(self.out).parent.is_dir():
            refuse(f"{Path(self.out).parent}: there is no such directory")
        files.check_writable(Path(self.out).parent)
        if not self.p12:
            return self
        return replace(self, p12_password=passphrase(self.p12_password_file, f"{self.out}.p12"))

    def _check_name(self) -> None:
        if os.path.basename(self.out) in ("", ".", "..", ".pem"):
            refuse(f"--out {self.out!a} is not a file name", "give a name, such as --out alice")

    def write(self, issued: Issued) -> None:
        """Write the files of a certificate, which is in the register by now."""
        try:
            self._write(issued)
        except (FileUnusable, UsageError) as error:
            raise type(error)(
                f"{error}; the certificate {issued.serial:x} is in the register, but was not written: revoke it"
            ) from None

    def _write(self, issued: Issued) -> None:
        out = self.out
        written = [out + ".pem"]
        if issued.key is not None:
            self._put(".key", issued.key_pem, files.PRIVATE)
            written.append(out + ".key")
        self._put(".pem", issued.chain_pem, files.PUBLIC)
        if issued.key is not None and self.p12:
            whole = issued.pkcs12(self._password().encode(), Path(out).name)
            self._put(".p12", whole, files.PRIVATE)
            written.append(out + ".p12")
        end = issued.certificate.not_valid_after_utc
        say(f"wrote {', '.join(written)}: serial {issued.serial:x}, valid until {end:%Y-%m-%d %H:%M} UTC")

    def _put(self, suffix: str, data: bytes, mode: int, *, replaces: bool = False) -> None:
        files.write(Path(self.out + suffix), data, mode, replaces=replaces or self.force)

    def in_directory(self, name: str, serial: int) -> OutputFiles:
        """Files in the directory `out`, whose name is made safe, so that it cannot point outside."""
        safe: str = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:60]
        return replace(self, out=str(Path(self.out) / f"{safe or 'certificate'}-{serial:x}"))

    def _password(self) -> str:
        """The given password, or a new one, which is written to a file."""
        if self.p12_password is not None:
            return self.p12_password
        new = secrets.token_urlsafe(15)
        self._put(".p12-password", new.encode() + b"\n", files.PRIVATE, replaces=True)
        say(f"wrote {self.out}.p12-password: the password of {self.out}.p12, since none was given")
        return new


_OUT = click.option("--out", required=True, metavar="NAME", help="Write NAME.pem, NAME.key ...")
_FORCE = click.option("--force", is_flag=True, help="Overwrite existing files.")
_P12 = (
    click.option("--p12", is_flag=True, help="Also NAME.p12, for browsers and Java."),
    click.option(
        "--p12-password-file",
        type=FILE,
        metavar="FILE",
        help="A file; its first line is the password of NAME.p12.",
    ),
)


def _stem(out: str) -> str:
    """Return NAME also where NAME.pem is given; a directory is what it is, and so is what has no other name."""
    is_whole = os.path.isdir(out) or os.path.basename(out) == ".pem"
    return out if is_whole else out.removesuffix(".pem")


def _new(out: str, p12: bool, p12_password_file: str | None, force: bool) -> OutputFiles:
    return OutputFiles(_stem(out), p12, p12_password_file, force)


def _replacing(out: str, p12: bool, p12_password_file: str | None) -> OutputFiles:
    return OutputFiles(_stem(out), p12, p12_password_file, force=True)


def _certificate_alone(out: str, force: bool) -> OutputFiles:
    return OutputFiles(_stem(out), force=force)


new_files_options = gathered("output", _new, _OUT, *_P12, _FORCE)
renewed_files_options = gathered("output", _replacing, _OUT, *_P12)
certificate_file_options = gathered("output", _certificate_alone, _OUT, _FORCE)
