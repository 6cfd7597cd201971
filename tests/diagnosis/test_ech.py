"""An encrypted ClientHello that was not decrypted, as either side is told of it."""

from __future__ import annotations

import pytest

from bothways import explain_failure
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.observer import situation_of
from tls.handshake.encrypted_hellos import client, outdated, server
from tls.handshake.server.test_ech import connected


def first(failure: Exception | None) -> tuple[Cause, Party]:
    assert failure is not None
    likeliest = explain_failure(failure).causes[0]
    return likeliest.cause, likeliest.party


@pytest.mark.parametrize("auth", ["none", "require"])
def test_an_outdated_configuration(auth: str) -> None:
    """The server cannot tell it from grease of a client without certificate, and says so by its weight."""
    made = connected(outdated(), server(client_auth=auth))
    assert first(made.client.failure) == (Cause.ECH_OUTDATED, Party.OURS)
    assert first(made.server.failure) == (Cause.ECH_OUTDATED, Party.PEERS)


def test_a_server_that_has_switched_it_off() -> None:
    made = connected(client(), server(ech_keys=None, client_auth="none"))
    assert first(made.client.failure) == (Cause.ECH_NOT_DECRYPTED, Party.PEERS)


def test_the_configuration_that_a_client_was_given_is_known_of_its_failure() -> None:
    """Without an observer too: what the engine keeps is enough for every explanation."""
    config = outdated()
    failure = connected(config, server()).client.failure
    assert failure is not None
    assert situation_of(failure.situation).own_side.ech == str(config["ech"]) != ""
