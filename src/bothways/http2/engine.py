"""h2 as it is used here: within limits that a peer cannot lift.

h2 keeps each setting that a peer has ever sent, 65,536 of them if it likes, and looks at all of them for each frame of
settings. It also accepts pushed responses until the peer has confirmed our settings, which it may never do. For a peer
it remembers as many fields as that allows, up to 4 GiB, and how the last 65,536 streams ended. hpack changes the size
of its table as often as a head says so, which may be once for each of its bytes. Where a head is malformed, or one
stream too many, h2 ends the connection; so heads are decompressed and checked before it gets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hpack import Decoder, HeaderTuple, HPACKDecodingError

TABLE_LIMIT = (
    4096  # bytes of the table with which we compress fields; it is the initial size (RFC 9113 6.5.2)
)
SIZE_UPDATES = 2  # at the beginning of a head: no more are of use (RFC 7541 4.2)
CLOSED_STREAMS = 1024  # of which is remembered how they ended
UNLIMITED = 2**31
_KNOWN = frozenset(map(int, SettingCodes))


class OwnSettings(Settings):
    """Our settings. For h2 there is no limit of streams, since it would end the connection (RFC 9113 5.1.2)."""

    @property
    def max_concurrent_streams(self) -> int:
        """The most streams of the peer at once, as far as h2 knows."""
        return UNLIMITED

    @max_concurrent_streams.setter
    def max_concurrent_streams(self, value: int) -> None:
        self[SettingCodes.MAX_CONCURRENT_STREAMS] = value


class KnownSettings(Settings):
    """The settings of a peer; those that are not known are ignored (RFC 9113 6.5.2).

    Of the table that it would keep for us we use a part, as we may (RFC 7541 4.2).
    """

    def __setitem__(self, key: SettingCodes | int, value: int) -> None:
        """Note a setting. Raises InvalidSettingsValueError."""
        if int(key) in _KNOWN:
            is_table = int(key) == SettingCodes.HEADER_TABLE_SIZE
            super().__setitem__(key, min(value, TABLE_LIMIT) if is_table else value)


class BoundedDecoder(Decoder):
    """Decompresses heads, in which the size of the table changes as often as is of use."""

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """Return the fields of a head. Raises HPACKError."""
        at = 0
        for _ in range(SIZE_UPDATES):
            at = _after_size_update(data, at)
        if _after_size_update(data, at) != at:
            raise HPACKDecodingError(f"a head changes the size of the table more than {SIZE_UPDATES} times")
        return super().decode(data, raw)


def _after_size_update(data: bytes, at: int) -> int:
    """Return where a head goes on behind a new size of the table; `at` where there is none (RFC 7541 6.3, 5.1)."""
    if at >= len(data) or data[at] & 0xE0 != 0x20:
        return at
    is_long = data[at] & 0x1F == 0x1F
    at += 1
    while is_long and at < len(data):
        is_long = data[at] >= 0x80
        at += 1
    return at


class CheckedHead(Decoder):
    """What h2 gets for a head that was decompressed and checked before. fields: what it has to know of it."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[HeaderTuple] = []

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:  # noqa: ARG002 - it is known
        """Return the fields."""
        return self.fields


class BoundedConnection(H2Connection):
    """h2 that remembers less of what has ended, and gets heads that were checked. `head` is the one it gets next."""

    MAX_CLOSED_STREAMS = CLOSED_STREAMS

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.head = CheckedHead()
        self.decoder = self.head

    def receive_no_more(self) -> None:
        """Drop h2's table of its own methods for frames: by it each connection would wait for the garbage collector."""
        self._frame_dispatch_table.clear()


def http2_connection(
    *, client_side: bool, head_limit: int, settings: Mapping[SettingCodes, int] | None = None
) -> BoundedConnection:
    """Return one side of a connection; header fields are bytes. Responses that a server pushes are refused.

    head_limit: bytes of the fields of one head, as HPACK counts them; the peer is told.  settings: more of ours.
    """
    config = H2Configuration(client_side=client_side, header_encoding=None, validate_inbound_headers=False)
    made = BoundedConnection(config)
    ours = {SettingCodes.MAX_HEADER_LIST_SIZE: head_limit, **(settings or {})}
    if client_side:
        ours[SettingCodes.ENABLE_PUSH] = 0
    made.local_settings = OwnSettings(client=client_side, initial_values=ours)
    made.remote_settings = KnownSettings(client=not client_side)
    return made
