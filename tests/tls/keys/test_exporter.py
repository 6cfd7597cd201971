"""RFC 5705 4 and RFC 9846 7.5: labels, contexts and lengths of which both versions can make keys."""

from __future__ import annotations

import pytest

from bothways import UsageError
from bothways.tls.crypto.suites import SUITES12, SUITES13
from bothways.tls.keys.exporter import CONTEXT_LIMIT, LABEL_LIMIT, RESERVED, check_request

SUITE = SUITES13[0x1301]
STRONG = SUITES13[0x1302]
LABEL = "EXPORTER-test"


def test_lengths_that_every_version_can_export_are_allowed() -> None:
    """A context of no bytes is one in TLS 1.2."""
    for suite in (SUITE, *SUITES12.values()):
        for context in (None, b"", b"x" * CONTEXT_LIMIT):
            check_request(LABEL, context, 1, suite)
            check_request("x" * LABEL_LIMIT, context, 255 * 32, suite)
    check_request(LABEL, None, 255 * 48, STRONG)


@pytest.mark.parametrize("label", ["", "\u00e9", "x" * (LABEL_LIMIT + 1), *sorted(RESERVED)])
def test_a_label_that_tls_uses_or_cannot_write_is_our_callers_fault(label: str) -> None:
    """RFC 5705 4: the labels of the PRF itself would give its secrets away."""
    with pytest.raises(UsageError, match="label"):
        check_request(label, None, 32, SUITE)


def test_a_context_that_has_no_length_is_our_callers_fault() -> None:
    """RFC 5705 4: its length is two bytes long."""
    with pytest.raises(UsageError, match="context of at most 65535 bytes, not 65536"):
        check_request(LABEL, bytes(CONTEXT_LIMIT + 1), 32, SUITE)


@pytest.mark.parametrize(("suite", "length"), [(SUITE, 0), (SUITE, -1), (SUITE, 8161), (STRONG, 12241)])
def test_a_length_that_hkdf_cannot_give_is_our_callers_fault(suite: object, length: int) -> None:
    """RFC 5869 2.3: 255 blocks of the hash."""
    with pytest.raises(UsageError, match="length"):
        check_request(LABEL, None, length, suite)  # type: ignore[arg-type]
