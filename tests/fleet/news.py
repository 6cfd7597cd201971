"""How long a revocation takes to get from the file of one gateway to the others, by news."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from statistics import median

from bothways.errors import TLSError
from bothways.net.channel import Channel
from bothways.testing import Client, MutualTLS
from fleet.gateways import Machine, gateways
from gateway_talk import behind
from ticket_keys.redis_server import running_redis

ROUNDS, MACHINES = 10, 3


def measured_news(folder: Path) -> list[str]:
    """Return, in words, how long it took until the connections of a revoked client ended."""
    (folder / "pki").mkdir()
    with MutualTLS(folder / "pki") as mutual, behind() as port, running_redis(folder) as redis:
        limits = f'[limits]\nshared = "{redis.url}"\nshared_secret = "secret"'
        with gateways(mutual, folder, port, redis.url, MACHINES, limits) as machines:
            rounds = [_round(mutual, machines, number) for number in range(ROUNDS)]
    first, others = [each[0] for each in rounds], [one for each in rounds for one in each[1:]]
    return [
        f"{name}: {median(took):.1f} s in the median, {max(took):.1f} at most"
        for name, took in (("at the gateway with the file", first), ("at the others", others))
    ]


def _round(mutual: MutualTLS, machines: list[Machine], number: int) -> list[float]:
    """Return after how many seconds each gateway has ended a client."""
    client = mutual.client(mutual.identity("client", dns=[f"client-{number}.example"]))
    assert client.identity is not None
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_connected(client, each)) for each in machines]
        mutual.revoke(client.identity)
        began = time.monotonic()
        machines[0].publish(mutual.crl)
        took = [0.0] * len(opened)
        while not all(took):
            for place, channel in enumerate(opened):
                if not took[place] and _has_ended(channel):
                    took[place] = time.monotonic() - began
    return took


def _connected(client: Client, machine: Machine) -> Channel:
    channel = client.connect("127.0.0.1", machine.port)
    channel.settimeout(20)
    channel.sendall(b"hello\n")
    assert channel.recv(100) == b"hello\n"
    return channel


def _has_ended(channel: Channel) -> bool:
    channel.settimeout(0.02)
    try:
        return channel.recv(100) == b""
    except (TLSError, ConnectionError):
        return True
    except TimeoutError:
        return False
