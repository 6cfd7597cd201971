"""h2 as it is used here: within limits that a peer cannot lift.

h2 keeps each setting that a peer has ever sent, 65,536 of them if it likes, and looks at all of them for each frame of
settings. It also accepts pushed responses until the peer has confirmed our settings, which it may never do.
"""

from __future__ import annotations

from collections.abc import Mapping

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

_KNOWN = frozenset(map(int, SettingCodes))


class KnownSettings(Settings):
    """The settings of a peer; those that are not known are ignored (RFC 9113 6.5.2)."""

    def __setitem__(self, key: SettingCodes | int, value: int) -> None:
        """Note a setting. Raises InvalidSettingsValueError."""
        if int(key) in _KNOWN:
            super().__setitem__(key, value)


def http2_connection(
    *, client_side: bool, head_limit: int, settings: Mapping[SettingCodes, int] | None = None
) -> H2Connection:
    """Return one side of a connection; header fields are bytes. Responses that a server pushes are refused.

    head_limit: bytes of the fields of one head, as HPACK counts them.  settings: more of ours.
    """
    made = H2Connection(H2Configuration(client_side=client_side, header_encoding=None))
    ours = {SettingCodes.MAX_HEADER_LIST_SIZE: head_limit, **(settings or {})}
    if client_side:
        ours[SettingCodes.ENABLE_PUSH] = 0
    made.local_settings = Settings(client=client_side, initial_values=ours)
    made.remote_settings = KnownSettings(client=not client_side)
    made.decoder.max_header_list_size = head_limit
    return made
