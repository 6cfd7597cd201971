"""The raw public keys that one side trusts, each pinned by its digest, and the verification of a peer by them.

A raw public key has no issuer, no names, no end and no revocation: it is trusted for as long as its pin stays
(RFC 7250 6). No key is ever pinned because a peer showed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from bothways.arguments import several
from bothways.errors import ConfigError, UnusableFile
from bothways.faults import Fault, Reason, shown
from bothways.trust import files
from bothways.trust.certificate.raw_public_key import RawPublicKey, read_raw_key
from bothways.trust.decoding import pem
from bothways.trust.decoding.parsing import EncodingError
from bothways.trust.keys.key_verdicts import KeyVerdicts
from bothways.trust.path.constraints import key_weakness
from bothways.trust.verdict import PinnedKey, Verdict
from bothways.trust.watched import Renewed, Replaceable

MOST_PINS = 100_000
NAME_LIMIT = 255
_DIGEST = re.compile(r"[0-9a-fA-F]{64}|[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){31}")
_PUBLIC_KEY = "PUBLIC KEY"
_VERDICTS = KeyVerdicts("a raw public key", "its pin is removed")


class PinnedKeys:
    """A set of pinned raw public keys, immutable. Make one with a class method.

    A pin is the SHA-256 of a SubjectPublicKeyInfo, with an optional name, which is only for logs and rules of the
    application: every pinned key may be any peer of a configuration, so pins of different servers belong in different
    configurations.
    """

    __slots__ = ("_pins",)

    generation = 0  # of a watched set it rises with each change

    def __init__(self, pins: Mapping[bytes, str]) -> None:
        """Take digests with their names, "" for none; private, use a class method."""
        self._pins = dict(pins)

    @classmethod
    def from_digests(cls, digests: Iterable[str] | Mapping[str, str]) -> PinnedKeys:
        """Take SHA-256 digests in hexadecimal, with or without colons. Raises ConfigError.

        digests: several, or a mapping from each to the name of its pin.
        """
        if isinstance(digests, str):
            raise ConfigError("pins: expected several digests, not a single text")
        named = (
            digests
            if isinstance(digests, Mapping)
            else dict.fromkeys(several("pins", digests, "digests", str), "")
        )
        return cls(
            _collected(((each, name, f"pins: {shown(each)}") for each, name in named.items()), "pins")
        )._some("pins")

    @classmethod
    def from_keys(cls, keys: Iterable[bytes] | Mapping[bytes, str]) -> PinnedKeys:
        """Take public keys, each a SubjectPublicKeyInfo in PEM or DER. Raises ConfigError.

        keys: several, or a mapping from each to the name of its pin.
        """
        named = keys if isinstance(keys, Mapping) else dict.fromkeys(several("pins", keys, "public keys"), "")
        pins: dict[bytes, str] = {}
        for number, (data, name) in enumerate(named.items(), 1):
            source = f"pins: key {number}"
            for der in _ders(pem.require_bytes(data, source), source):
                pins[_pinnable(der, source).digest] = _checked_name(name, source)
        return cls(pins)._some("pins")

    @classmethod
    def from_file(cls, path: files.FilePath) -> PinnedKeys:
        """Read pins from a file. Raises ConfigError.

        path: of public keys in PEM (-----BEGIN PUBLIC KEY-----), or of lines with a SHA-256 in hexadecimal and, after
        a space, the name of the pin; empty lines and those that begin with # are ignored.
        """
        return pins_in(files.content(path), str(path))

    @classmethod
    def watched(cls, path: files.FilePath) -> WatchedPinnedKeys:
        """Read pins from a file as `from_file` does, and again whenever it changes. Raises ConfigError.

        Connections that begin afterwards are verified by the new pins, and open ones again where a configuration has
        `judge_again="change"`. A file that cannot be decoded completely changes nothing, and the log says why; a later
        file without a pin refuses every raw public key.
        """

        def make(contents: Sequence[bytes]) -> PinnedKeys:
            return cls(_read(contents[0], str(path)))

        renewed = Renewed((path,), make)
        renewed.value._some(str(path))
        return WatchedPinnedKeys(renewed)

    @property
    def current(self) -> PinnedKeys:
        """The current pins: these, or of a watched set those that its file contains now."""
        return self

    @property
    def digest(self) -> bytes:
        """A SHA-256 of the pins without their names, which is equal for equal sets in every process."""
        return sha256(b"".join(sorted(self.current._pins))).digest()

    def name_of(self, key: RawPublicKey) -> str | None:
        """Return the name of a key's pin, "" for a pin without one; None if the key is not pinned."""
        return self.current._pins.get(key.digest)

    def __len__(self) -> int:
        return len(self.current._pins)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"

    def _some(self, source: str) -> PinnedKeys:
        if not self._pins:
            raise UnusableFile(
                f"{source}: it contains no pin; expected public keys in PEM, or SHA-256 digests"
            )
        return self


def pins_in(data: bytes, source: str, *, may_be_empty: bool = False) -> PinnedKeys:
    """Return the pins in the content of a file, as `PinnedKeys.from_file` does. Raises ConfigError."""
    made = PinnedKeys(_read(data, source))
    return made if may_be_empty else made._some(source)


class WatchedPinnedKeys(Replaceable[PinnedKeys], PinnedKeys):  # type: ignore[override]  # its generation is not fixed
    """The pins in a file that may change. Made by `PinnedKeys.watched`."""


NO_PINS = PinnedKeys({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinRequest:
    """The raw public key of a peer, and the pins that it is verified by, as a `VerificationRequest` for a chain.

    proved_at: when the peer proved possession of the key, where that was in an earlier connection.
    """

    key: RawPublicKey
    pins: PinnedKeys
    proved_at: datetime | None = None

    # What a chain has and a key has not, as in a `VerificationRequest`.
    leaf = revocation = None
    staples = ()
    may_fetch = False

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What the peer sent: the SubjectPublicKeyInfo."""
        return (self.key.spki,)

    @property
    def generation(self) -> int:
        """Rises whenever the pins change, so that the verdict may change."""
        return self.pins.generation

    def verify(self, at: datetime, fetched: object = None, *, defer: bool = False) -> Verdict:
        """Return the verdict by the pins of this moment; the arguments matter for certificates only."""
        del at, fetched, defer
        name = self.pins.name_of(self.key)
        if name is None:
            return _VERDICTS.refused(Reason(Fault.RAW_KEY_NOT_PINNED, facts={"digest": self.key.fingerprint}))
        pinned = PinnedKey(self.key, name)
        return _VERDICTS.trusted(pinned, f"it is pinned: {pinned}")


def _read(data: bytes, source: str) -> dict[bytes, str]:
    if any(label == _PUBLIC_KEY for label, _ in pem.blocks(data)):
        return {_pinnable(der, source).digest: "" for der in _ders(data, source)}
    for label, _ in pem.blocks(data):
        raise UnusableFile(
            f"{source}: expected a public key (-----BEGIN {_PUBLIC_KEY}-----), found {shown(label)}"
        )
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise UnusableFile(f"{source}: neither public keys in PEM nor lines of text with digests") from None
    given = []
    for number, line in enumerate(lines, 1):
        digest, _, name = line.strip().partition(" ")
        if digest and not digest.startswith("#"):
            given.append((digest, name.strip(), f"{source}, line {number}"))
    return _collected(given, source)


def _collected(given: Iterable[tuple[object, str, str]], source: str) -> dict[bytes, str]:
    """Return digests with their names, from texts. given: digest, name, and where it stands."""
    pins: dict[bytes, str] = {}
    for text, name, where in given:
        if not isinstance(text, str) or not _DIGEST.fullmatch(text):
            raise UnusableFile(f"{where}: expected a SHA-256 in hexadecimal, which has 64 digits")
        digest = bytes.fromhex(text.replace(":", ""))
        if digest in pins:
            raise UnusableFile(f"{where}: this key is pinned twice")
        pins[digest] = _checked_name(name, where)
        if len(pins) > MOST_PINS:
            raise UnusableFile(f"{source}: more than {MOST_PINS} pins")
    return pins


def _checked_name(name: object, where: str) -> str:
    if not isinstance(name, str) or len(name) > NAME_LIMIT or not (name == "" or name.isprintable()):
        raise UnusableFile(f"{where}: the name of a pin is printable text of at most {NAME_LIMIT} characters")
    return name


def _ders(data: bytes, source: str) -> list[bytes]:
    pem.check_ended(data, {_PUBLIC_KEY}, source)
    found = [block for label, block in pem.blocks(data) if label == _PUBLIC_KEY]
    if not found:
        if data[:1] == b"\x30":
            return [data]
        raise UnusableFile(f"{source}: expected a public key, in PEM (-----BEGIN PUBLIC KEY-----) or DER")
    try:
        return [pem.body(block) for block in found]
    except ValueError as error:
        raise UnusableFile(f"{source}: a public key cannot be read: {error}") from None


def _pinnable(der: bytes, source: str) -> RawPublicKey:
    """Decode a key that is to be pinned. Raises ConfigError for one that no connection would accept."""
    try:
        key = read_raw_key(der)
    except EncodingError as error:
        raise UnusableFile(f"{source}: the public key cannot be decoded: {shown(error)}") from None
    weak = key_weakness(key.key)
    if weak is not None:
        raise UnusableFile(f"{source}: the public key is too weak: {weak}")
    return key
