"""The certification path: found, every check on it made, and its certificate compared with the name (RFC 5280 6)."""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if not TYPE_CHECKING:  # for programs that use the former names
    __getattr__ = lazy_names(
        __name__,
        {"bothways.trust.path.validation": "read_leaf", "bothways.trust.verification": "judge=verify"},
    )
