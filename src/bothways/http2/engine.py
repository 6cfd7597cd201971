"""h2 as it is used here: within limits that a peer cannot lift.

h2 keeps each setting that a peer has ever sent, 65,536 of them if it likes, and looks at all of them for each frame of
settings. It also accepts pushed responses until the peer has confirmed our settings, which it may never do. For a peer
it remembers as many fields as that allows, up to 4 GiB, and how the last 65,536 streams ended. hpack changes the size
of its table as often as a head says so, which may be once for each of its bytes.
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
_KNOWN = frozenset(map(int, SettingCodes))


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


class BoundedConnection(H2Connection):
    """h2 that remembers less of what has ended."""

    MAX_CLOSED_STREAMS = CLOSED_STREAMS


def http2_connection(
    *, client_side: bool, head_limit: int, settings: Mapping[SettingCodes, int] | None = None
) -> H2Connection:
    """Return one side of a connection; header fields are bytes. Responses that a server pushes are refused.

    head_limit: bytes of the fields of one head, as HPACK counts them.  settings: more of ours.
    """
    made = BoundedConnection(H2Configuration(client_side=client_side, header_encoding=None))
    ours = {SettingCodes.MAX_HEADER_LIST_SIZE: head_limit, **(settings or {})}
    if client_side:
        ours[SettingCodes.ENABLE_PUSH] = 0
    made.local_settings = Settings(client=client_side, initial_values=ours)
    made.remote_settings = KnownSettings(client=not client_side)
    made.decoder = BoundedDecoder()
    made.decoder.max_header_list_size = head_limit
    return made
