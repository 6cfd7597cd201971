"""PEM blocks among other text (RFC 7468)."""

from __future__ import annotations

import pytest

from bothways.errors import ConfigError
from bothways.trust.decoding import pem as module
from bothways.trust.decoding.pem import blocks, body, check_ended, encoded, require_bytes
from pki import root

ROOT = root()


def test_blocks_are_found_in_order_among_other_text():
    """RFC 7468 2."""
    data = b"before\n" + ROOT.key_pem + b"between\r\n" + ROOT.pem.replace(b"\n", b"\r\n") + b"after"
    found = blocks(data)
    assert [label for label, _ in found] == ["PRIVATE KEY", "CERTIFICATE"]
    assert body(found[1][1]) == ROOT.der


def test_input_must_be_bytes_of_any_kind():
    """Text, such as a path, is not taken for the content of a file."""
    for kind in (bytes, bytearray, memoryview):
        assert require_bytes(kind(ROOT.pem), "anchors") == ROOT.pem
    for wrong in ("ca.pem", None, 5, [ROOT.pem]):
        with pytest.raises(
            ConfigError, match=f"anchors: expected PEM or DER as bytes, not {type(wrong).__name__}"
        ):
            require_bytes(wrong, "anchors")


def test_a_pem_block_without_its_end_is_ignored():
    """RFC 7468 2."""
    assert blocks(ROOT.pem[:-10]) == []
    assert blocks(ROOT.pem.replace(b"END CERTIFICATE", b"END PRIVATE KEY")) == []


@pytest.mark.parametrize("data", [ROOT.pem[:-10] + ROOT.pem, ROOT.pem + ROOT.pem[:-10]])
def test_a_file_with_a_block_without_its_end_is_refused(data):
    """What is left out without a word may be a trust anchor."""
    with pytest.raises(
        ConfigError, match="ca.pem: it is truncated: a block in it has no -----END CERTIFICATE-----"
    ):
        check_ended(data, ("CERTIFICATE",), "ca.pem")
    check_ended(data, ("X509 CRL",), "ca.pem")
    check_ended(ROOT.pem + ROOT.key_pem, ("CERTIFICATE",), "ca.pem")


def test_other_hyphens_hide_no_pem_block_and_make_none():
    """RFC 7468 3: five are before and after BEGIN and END, and nowhere within."""
    assert blocks(b"-" + ROOT.pem) == blocks(b"-----\n" + ROOT.pem) == blocks(ROOT.pem)
    assert blocks(ROOT.pem[:-10] + ROOT.pem) == blocks(ROOT.pem)
    assert blocks(ROOT.pem.replace(b"\n-----END", b"\n------END")) == []
    assert blocks(ROOT.pem.replace(b"MII", b"-----")) == []


def test_long_blocks_are_decoded_in_pieces_like_short_ones(monkeypatch):
    """Wherever a piece ends, also between the characters of the padding; what is no base64 stays so."""
    for size in range(20):
        data = bytes(range(size))
        block = encoded("CRL", data).replace(b"\n-----END", b" \r\n\t\n-----END")
        wrong = [block.replace(b"AA", b"=A"), block.replace(b"=", b"=="), block.replace(b"A", b"A=", 1)]
        invalid = [each for each in wrong if each != block]
        for pieces in range(1, 40):
            monkeypatch.setattr(module, "PIECE_CHARACTERS", pieces)
            assert body(block) == data
            for each in invalid:
                with pytest.raises(ValueError, match="not base64"):
                    body(each)


@pytest.mark.parametrize("data", [b"text", b"-----\n" + ROOT.pem, ROOT.pem.replace(b"MII", b"***")])
def test_invalid_base64_is_a_value_error(data):
    """RFC 7468 3."""
    with pytest.raises(ValueError, match=r"base64|no PEM"):
        body(data)


def test_blocks_without_an_end_cost_no_more_than_their_length():
    """CPU: each of them was once looked for up to the end of the file; this took minutes."""
    endless = b"".join(b"-----BEGIN A%d-----\nx\n" % each for each in range(100_000))
    whole = b"-----BEGIN B-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END B-----"
    assert blocks(endless + whole + endless) == [("B", whole + b"\n")]


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 1000])
def test_encoded_blocks_are_found_again(size: int) -> None:
    """RFC 7468 2: lines of 64 characters."""
    data = bytes(range(256)) * 4
    text = encoded("ECHCONFIG", data[:size])
    ((label, block),) = blocks(b"before\n" + text + b"after\n")
    assert (label, body(block)) == ("ECHCONFIG", data[:size])
    assert all(len(line) <= 64 for line in text.splitlines())
