"""The keys that servers share, as one value: its form in a store, and when it is replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bothways.tls.crypto.aead import AES_GCM
from bothways.tls.resumption.ticket_keys import KEY_SIZE, NAME_SIZE, KeyRing, Random, TicketKey

FORMAT = "bothways ticket keys 1"
LARGEST = 4096  # bytes
_SINCE = "%Y-%m-%dT%H:%M:%SZ"
_FIELDS = {"format", "since", "max_age", "previous", "current", "next"}


class BadTicketKeys(ValueError):
    """What a store holds cannot be used; the text says why."""


class SharedTicketKey(NamedTuple):
    """One key, and the name by which a ticket says that it was sealed under it."""

    name: bytes
    secret: bytes

    def __repr__(self) -> str:
        return "SharedTicketKey(...)"

    def opened(self) -> TicketKey:
        """Return the key as it seals and opens."""
        return TicketKey(self.name, AES_GCM(self.secret))


@dataclass(frozen=True, slots=True)
class SharedRing:
    """The keys of a period that begins at `since`: `current` seals during it, and `next` in the one after it."""

    since: datetime
    period: timedelta
    previous: SharedTicketKey | None
    current: SharedTicketKey
    next: SharedTicketKey
    _rings: tuple[KeyRing, KeyRing] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        previous = None if self.previous is None else self.previous.opened()
        current, after = self.current.opened(), self.next.opened()
        rings = (
            KeyRing(self.since, previous, current, after),
            KeyRing(self.since + self.period, current, after, None),
        )
        object.__setattr__(self, "_rings", rings)

    @property
    def due(self) -> datetime:
        """When it is to be replaced; who cannot do so goes on with `next` for one more period."""
        return self.since + self.period

    @property
    def end(self) -> datetime:
        """When none of its keys seals any more."""
        return self.since + 2 * self.period

    def at(self, now: datetime) -> KeyRing | None:
        """Return the keys of a moment; None before and after its time. Clocks may differ by a period."""
        if now >= self.end or now <= self.since - self.period:
            return None
        return self._rings[now >= self.due]


def new_ring(now: datetime, period: timedelta, random: Random) -> SharedRing:
    """Return keys that begin now."""
    return SharedRing(now.replace(microsecond=0), period, None, _drawn(random), _drawn(random))


def renewed(ring: SharedRing, random: Random) -> SharedRing:
    """Return the keys of the period after this one."""
    return SharedRing(ring.due, ring.period, ring.current, ring.next, _drawn(random))


def _drawn(random: Random) -> SharedTicketKey:
    return SharedTicketKey(random(NAME_SIZE), random(KEY_SIZE))


def encoded(ring: SharedRing) -> bytes:
    """Return the form in which keys are stored: JSON."""
    keys = {"previous": ring.previous, "current": ring.current, "next": ring.next}
    form = {
        "format": FORMAT,
        "since": ring.since.strftime(_SINCE),
        "max_age": int(ring.period.total_seconds()),
        **{name: None if key is None else _key_form(key) for name, key in keys.items()},
    }
    return json.dumps(form, indent=1).encode() + b"\n"


def _key_form(key: SharedTicketKey) -> dict[str, str]:
    return {"name": key.name.hex(), "key": key.secret.hex()}


def decoded(data: bytes, period: timedelta) -> SharedRing:
    """Return the keys in `data`, which have to be for sessions of this age. Raises BadTicketKeys."""
    form = _object(data)
    if form.get("format") != FORMAT or form.keys() != _FIELDS:
        raise BadTicketKeys(f'it does not have the form of ticket keys; expected "format": "{FORMAT}"')
    if form["max_age"] != int(period.total_seconds()):
        raise BadTicketKeys(
            f"its max_age is {str(form['max_age'])[:20]!a}, and here it is {int(period.total_seconds())} seconds"
        )
    keys = [None if form[each] is None and each == "previous" else _key(form, each) for each in _KEYS]
    previous, current, after = keys
    if current is None or after is None or len({each.name for each in keys if each}) < sum(map(bool, keys)):
        raise BadTicketKeys("two of its keys have one name")
    return SharedRing(_since(form["since"]), period, previous, current, after)


_KEYS = ("previous", "current", "next")


def _object(data: bytes) -> Mapping[str, object]:
    try:
        form = json.loads(data) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        form = None
    if not isinstance(form, dict):
        raise BadTicketKeys("it is not JSON with ticket keys")
    return form


def _since(text: object) -> datetime:
    try:
        since = datetime.strptime(str(text), _SINCE).replace(tzinfo=UTC)
    except ValueError:
        since = None
    if since is None or not 2000 <= since.year < 9000:
        raise BadTicketKeys("since: expected a time such as 2026-11-29T12:00:00Z")
    return since


def _key(form: Mapping[str, object], which: str) -> SharedTicketKey:
    found = form[which]
    if isinstance(found, dict) and found.keys() == {"name", "key"}:
        name, key = str(found["name"]), str(found["key"])
        if _hex(name, NAME_SIZE) and _hex(key, KEY_SIZE):
            return SharedTicketKey(bytes.fromhex(name), bytes.fromhex(key))
    raise BadTicketKeys(
        f"{which}: expected a name of {NAME_SIZE} and a key of {KEY_SIZE} bytes, in hexadecimal"
    )


def _hex(text: str, size: int) -> bool:
    return re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text) is not None
