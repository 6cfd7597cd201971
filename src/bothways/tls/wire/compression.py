"""Compression of the Certificate message (RFC 8879): zlib of the standard library, brotli and zstd where installed.

Decompression never returns more than the length that the peer stated, and stops there. The optional distributions are
imported when one of their algorithms is first used.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CertificateCompressionAlgorithm, name

# What a peer may make us produce: this much, or so many times the bytes that it sent. Chains shrink to a half at most,
# leaves with hundreds of names to a tenth.
FREE_OCTETS = 8 * 1024
OCTETS_PER_BYTE = 12
# The largest window of zstd, as much as RFC 8878 3.1.1.1.2 has every decoder support.
ZSTD_WINDOW = 8 * 1024 * 1024

# The distribution that has an algorithm; None is the standard library.
DISTRIBUTIONS: Mapping[int, str | None] = {
    CertificateCompressionAlgorithm.brotli: "brotli",
    CertificateCompressionAlgorithm.zstd: "zstandard",
    CertificateCompressionAlgorithm.zlib: None,
}


class BadCompression(Exception):
    """What cannot be decompressed: the text completes "a compressed certificate that ..."."""


class _Algorithm(NamedTuple):
    """compress: called with the content.  decompress: called with what was compressed and the size of the content."""

    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


@cache
def installed() -> tuple[int, ...]:
    """Return the algorithms that can be used here, the preferred one first."""
    return tuple(
        algorithm for algorithm, module in DISTRIBUTIONS.items() if module is None or find_spec(module)
    )


def compress(algorithm: int, data: bytes) -> bytes:
    """Return `data` compressed as far as the algorithm can. Raises ImportError if it is not installed."""
    return algorithm_of(algorithm).compress(data)


def decompress(algorithm: int, data: bytes, size: int, limit: int) -> bytes:
    """Return the content of `data`, of which the peer says that it has `size` bytes; blame it for anything else.

    limit: the largest size that is accepted.
    """
    allowed = min(limit, max(FREE_OCTETS, OCTETS_PER_BYTE * len(data)))
    if not size:
        blame(Fault.BAD_COMPRESSED_CERTIFICATE, problem="has no content")
    if size > allowed:
        problem = f"has {size} bytes in {len(data)}, more than the {allowed} that we accept for these"
        blame(Fault.BAD_COMPRESSED_CERTIFICATE, problem=problem)
    try:
        return algorithm_of(algorithm).decompress(data, size)
    except BadCompression as error:
        problem = str(error)
    blame(Fault.BAD_COMPRESSED_CERTIFICATE, problem=problem)


@cache
def algorithm_of(algorithm: int) -> _Algorithm:
    """Return an algorithm. Raises ImportError if it is not installed."""
    return _MAKERS[algorithm]()


def _check_size(content: bytes, size: int, *, ended: bool) -> None:
    """Check that the content has exactly the size stated, and that what was compressed ends with it."""
    if len(content) > size:
        raise BadCompression(f"has more than the {size} bytes stated")
    if not ended:
        raise BadCompression(f"ends in the middle, after {len(content)} of {size} bytes")
    if len(content) != size:
        raise BadCompression(f"has {len(content)} bytes where {size} were stated")


def _wrong(algorithm: int) -> BadCompression:
    """Return the error for bytes of another format; the words of its library are not shown."""
    return BadCompression(f"is not what {name(CertificateCompressionAlgorithm, algorithm)} produces")


_TRAILING = "has bytes after its end"


def _zlib() -> _Algorithm:
    """zlib (RFC 1950): never with a preset dictionary, which the decoder refuses."""

    def compress(data: bytes) -> bytes:
        return zlib.compress(data, zlib.Z_BEST_COMPRESSION)

    def decompress(data: bytes, size: int) -> bytes:
        decoder = zlib.decompressobj(zlib.MAX_WBITS)
        try:
            content = decoder.decompress(data, size + 1)
        except zlib.error:
            raise _wrong(CertificateCompressionAlgorithm.zlib) from None
        _check_size(content, size, ended=decoder.eof)
        if decoder.unused_data:
            raise BadCompression(_TRAILING)
        return content

    return _Algorithm(compress, decompress)


def _brotli() -> _Algorithm:
    """Brotli (RFC 7932); from version 1.2 on its decoder can be limited."""
    import brotli

    def compress(data: bytes) -> bytes:
        compressed: bytes = brotli.compress(data, quality=_BROTLI_QUALITY)
        return compressed

    def decompress(data: bytes, size: int) -> bytes:
        decoder = brotli.Decompressor()
        try:
            content: bytes = decoder.process(data, output_buffer_limit=size + 1)
            while len(content) <= size and not decoder.is_finished():
                more = decoder.process(b"", output_buffer_limit=size + 1)
                if not more:
                    break
                content += more
        except brotli.error:
            raise _wrong(CertificateCompressionAlgorithm.brotli) from None
        _check_size(content, size, ended=decoder.is_finished())
        return content

    return _Algorithm(compress, decompress)


def _zstd() -> _Algorithm:
    """Zstandard (RFC 8878): one frame, without a dictionary, of a limited window."""
    import zstandard

    def compress(data: bytes) -> bytes:
        compressed: bytes = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
        return compressed

    def decompress(data: bytes, size: int) -> bytes:
        try:
            frame = zstandard.get_frame_parameters(data)
            if frame.dict_id or frame.window_size > ZSTD_WINDOW:
                raise BadCompression("needs a dictionary, or a larger window than we support")
            if frame.content_size not in (size, zstandard.CONTENTSIZE_UNKNOWN):
                raise BadCompression(f"has {frame.content_size} bytes where {size} were stated")
            decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
            content: bytes = decoder.decompress(data, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError:
            raise _wrong(CertificateCompressionAlgorithm.zstd) from None
        _check_size(content, size, ended=True)
        return content

    return _Algorithm(compress, decompress)


_BROTLI_QUALITY = 9
_ZSTD_LEVEL = 19
_MAKERS: Mapping[int, Callable[[], _Algorithm]] = {
    CertificateCompressionAlgorithm.zlib: _zlib,
    CertificateCompressionAlgorithm.brotli: _brotli,
    CertificateCompressionAlgorithm.zstd: _zstd,
}
