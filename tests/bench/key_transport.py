"""What the time of opening an RSA premaster secret tells: kinds of ciphertext by turns, in random order.

RFC 5246 7.4.7.1 wants no difference that an attacker can use between a well padded secret and anything else.
Noise only ever adds, so each kind is read at its fastest tenth. Printed are that time, its difference from
the first kind, an interval of 95 % for it by resampling, and from its width the smallest effect that so many
samples could have seen. Nothing is judged.

    python -m bench.key_transport [samples of each kind]
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from time import process_time_ns

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from bothways.tls.crypto.randomness import SystemRandomness
from bothways.tls.crypto.rsa_key_transport import decrypt_premaster

VERSION = 0x0303
POOL = 64
RESAMPLES = 400


def main(samples: int) -> None:
    """Measure and print."""
    key = rsa.generate_private_key(65537, 2048)
    kinds = _kinds(key)
    randomness = SystemRandomness(os.urandom)
    times: dict[str, list[int]] = {name: [] for name in kinds}
    pools = {name: [make() for _ in range(POOL)] for name, make in kinds.items()}
    order = [name for name in kinds for _ in range(samples)]
    random.shuffle(order)
    for name in order:
        ciphertext = random.choice(pools[name])
        start = process_time_ns()
        decrypt_premaster(key, ciphertext, VERSION, randomness)
        times[name].append(process_time_ns() - start)
    _show(times, samples)


def _kinds(key: rsa.RSAPrivateKey) -> dict[str, Callable[[], bytes]]:
    public = key.public_key()
    numbers = public.public_numbers()

    def padded(content: bytes) -> bytes:
        return public.encrypt(content, PKCS1v15())

    def raw(block: bytes) -> bytes:
        return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(256, "big")

    def nonzero(size: int) -> bytes:
        return bytes(random.randrange(1, 256) for _ in range(size))

    return {
        "a sound secret": lambda: padded(b"\3\3" + os.urandom(46)),
        "another version": lambda: padded(b"\3\1" + os.urandom(46)),
        "47 bytes": lambda: padded(b"\3\3" + os.urandom(45)),
        "49 bytes": lambda: padded(b"\3\3" + os.urandom(47)),
        "no bytes": lambda: padded(b""),
        "another block type": lambda: raw(b"\0\1" + nonzero(254)),
        "no separator": lambda: raw(b"\0\2" + nonzero(254)),
        "noise": lambda: raw(b"\0" + os.urandom(255)),
    }


def _show(times: dict[str, list[int]], samples: int) -> None:
    first = next(iter(times.values()))
    print(f"RSA 2048, {samples} samples of each kind, in random order; times in us, differences in ns")
    for name, taken in times.items():
        difference = _fast(taken) - _fast(first)
        spread = sorted(_resampled(taken) - _resampled(first) for _ in range(RESAMPLES))
        low, high = spread[int(RESAMPLES * 0.025)], spread[int(RESAMPLES * 0.975)]
        interval = f"95 %: {low:+7} to {high:+7}"
        seen = f"could have seen {(high - low) // 2:6}"
        print(f"  {name:20} {_fast(taken) / 1000:9.2f}   {difference:+7}   {interval}   {seen}")


def _fast(taken: list[int]) -> int:
    return sorted(taken)[len(taken) // 10]


def _resampled(taken: list[int]) -> int:
    return _fast(random.choices(taken, k=len(taken)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
