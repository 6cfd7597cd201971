"""A register of an authority that stands in no directory, and certificates to record in it."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from cryptography import x509

from bothways.ca.authority import Authority
from bothways.ca.keys import KeyType, new_key
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import Transaction
from ca.issuers import NOW

KEY = new_key(KeyType.P256).public_key()


@cache
def authority() -> Authority:
    return Authority.create("Test", now=lambda: NOW)


def new_register(url: str, identifier: str = "a" * 64) -> Register:
    return Register.create(url, identifier, "CN=Test", b"certificate")


def certificate(serial: int, name: str = "alice") -> x509.Certificate:
    return authority().sign(Profile.CLIENT, Holder(name), KEY, serial=serial)


def record(register: Register, serial: int, name: str = "alice", at: datetime = NOW) -> None:
    with register.transaction("tester", at) as transaction:
        record_in(transaction, serial, name)


def record_in(transaction: Transaction, serial: int, name: str = "alice") -> None:
    made = certificate(serial, name)
    transaction.reserve(serial, "client", name)
    transaction.record(made, {"cn": [name]}, "issue", {})


def revoke(register: Register, serial: int, reason: str = "superseded") -> None:
    with register.transaction("tester", NOW) as transaction:
        transaction.revoke(serial, reason)


def publish(register: Register) -> None:
    with register.transaction("tester", NOW) as transaction:
        transaction.publish(b"crl %d" % transaction.next_crl_number, NOW, NOW, 0)
