"""Compression of certificates: round trips, and whatever a peer may send in the place of what was compressed."""

from __future__ import annotations

import gzip
import os
import random
import zlib
from typing import Any

import pytest

from bothways import Fault
from bothways.faults import Blame
from bothways.iana import CertificateCompressionAlgorithm as Algorithm
from bothways.tls.wire import compression
from bothways.tls.wire.compression import FREE_OCTETS, OCTETS_PER_BYTE, compress, decompress, installed

LIMIT = 64 * 1024
CONTENT = bytes(range(256)) * 3 + b"certificate" * 40


def need(algorithm: Algorithm) -> None:
    """Skip this test where the distribution is not here; under CI it has to be."""
    if algorithm not in installed():
        reason = f"{algorithm.name} is not here; it comes with pip install bothways[compression]"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def refused(algorithm: int, data: bytes, size: int, limit: int = LIMIT) -> str:
    with pytest.raises(Blame) as blamed:
        decompress(algorithm, data, size, limit)
    assert blamed.value.fault is Fault.BAD_COMPRESSED_CERTIFICATE
    return str(blamed.value.facts["problem"])


@pytest.mark.parametrize("algorithm", Algorithm)
def test_compressed_data_is_decompressed_unchanged(algorithm: Algorithm) -> None:
    """RFC 8879 4: of any length, and of what cannot be compressed."""
    need(algorithm)
    chance = random.Random(algorithm)
    for content in (b"x", CONTENT, chance.randbytes(5000), bytes(8000)):
        data = compress(algorithm, content)
        assert decompress(algorithm, data, len(content), LIMIT) == content


@pytest.mark.parametrize("algorithm", Algorithm)
def test_other_length_than_the_one_stated_is_refused(algorithm: Algorithm) -> None:
    """RFC 8879 4: bad_certificate where the length does not match."""
    need(algorithm)
    data = compress(algorithm, CONTENT)
    for size in (1, len(CONTENT) - 1, len(CONTENT) + 1, 8000):
        assert "stated" in refused(algorithm, data, size) or algorithm is Algorithm.zstd
    assert refused(algorithm, data, 0) == "has no content"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_truncated_extended_or_altered_data_is_refused(algorithm: Algorithm) -> None:
    """RFC 8879 4: bad_certificate where it cannot be decompressed."""
    need(algorithm)
    data = compress(algorithm, CONTENT)
    for end in range(len(data)):
        refused(algorithm, data[:end], len(CONTENT))
    for tail in (b"\0", data, bytes(100)):
        refused(algorithm, data + tail, len(CONTENT))
    for other in (b"\0", b"not compressed", gzip.compress(CONTENT), zlib.compress(CONTENT)[2:], bytes(50)):
        refused(algorithm, other, len(CONTENT))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_bomb_is_not_decompressed_beyond_the_length_stated(
    algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8879 5: 2 MiB in a few bytes yield nothing; what a few bytes may state is limited."""
    need(algorithm)
    bomb = compress(algorithm, bytes(2 * 1024 * 1024))
    refused(algorithm, bomb[:50_000], 8000)
    data = compress(algorithm, bytes(60_000))
    assert len(data) < 200
    assert "more than" in refused(algorithm, data, 60_000)
    assert f"more than the {LIMIT}" in refused(algorithm, bytes(LIMIT), LIMIT + 1)
    monkeypatch.setattr(compression, "algorithm_of", lambda algorithm: pytest.fail("it was decompressed"))
    refused(algorithm, data, FREE_OCTETS + 1)
    refused(algorithm, bytes(1000), OCTETS_PER_BYTE * 1000 + 1)


def test_zlib_with_a_preset_dictionary_is_refused() -> None:
    """RFC 8879 4: an algorithm has no dictionary but those that it is registered with."""
    encoder: Any = zlib.compressobj(zdict=b"certificate" * 3)
    data = encoder.compress(CONTENT) + encoder.flush()
    assert refused(Algorithm.zlib, data, len(CONTENT)) == "is not what zlib produces"


def test_brotli_with_a_large_window_is_refused() -> None:
    """RFC 7932 9.1: windows over 16 MiB are no brotli."""
    need(Algorithm.brotli)
    refused(Algorithm.brotli, b"\x11\x1e" + compress(Algorithm.brotli, CONTENT), len(CONTENT))


def test_zstd_frame_is_taken_without_its_size_but_no_other_kind_of_frame() -> None:
    """RFC 8878 3.1.1, 3.1.2: one frame with a window of 8 MiB at most, no dictionary, nothing to skip."""
    need(Algorithm.zstd)
    zstandard = pytest.importorskip("zstandard")

    def written(content: bytes, **options: Any) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(**options)
        data: bytes = zstandard.ZstdCompressor(compression_params=parameters).compress(content)
        return data

    unsized = written(CONTENT, write_content_size=False)
    assert decompress(Algorithm.zstd, unsized, len(CONTENT), LIMIT) == CONTENT
    refused(Algorithm.zstd, unsized, len(CONTENT) - 1)
    assert decompress(Algorithm.zstd, written(CONTENT, write_checksum=True), len(CONTENT), LIMIT) == CONTENT
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    for data in (skippable, skippable + unsized, unsized + skippable):
        refused(Algorithm.zstd, data, len(CONTENT))
    wide = unsized[:5] + bytes([(24 - 10) << 3]) + unsized[6:]
    assert "larger window" in refused(Algorithm.zstd, wide, len(CONTENT))
    trained = zstandard.ZstdCompressionDict(
        os.urandom(64) + CONTENT, dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    refused(Algorithm.zstd, zstandard.ZstdCompressor(dict_data=trained).compress(CONTENT), len(CONTENT))


def test_zlib_is_always_here_and_the_shortest_is_preferred() -> None:
    """The base install has zlib alone."""
    assert installed()[-1] == Algorithm.zlib
    assert set(installed()) <= set(Algorithm)


def test_what_is_installed_is_looked_for_once() -> None:
    """Each configuration asks, and a gateway has hundreds."""
    assert installed() is installed()
