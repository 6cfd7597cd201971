"""Certificate revocation lists (CRL): one, and its entries (RFC 5280 5)."""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if TYPE_CHECKING:
    from bothways.trust.crl.revocation_list import CRL
else:
    __getattr__ = lazy_names(__name__, {"bothways.trust.crl.revocation_list": "CRL"})

__all__ = ["CRL"]
