"""Conversations of two real engines, each watched by a recorder."""

from __future__ import annotations

import identities
from bothways import ClientConfig, ServerConfig
from bothways.describe.recorder import Recorder
from bothways.ladder.by_step import StepView, step_views
from pair import Pair


class Talk:
    """A conversation of two engines, each watched by a recorder."""

    def __init__(self, client: ClientConfig, server: ServerConfig, name: str = "localhost") -> None:
        self.client, self.server = Recorder(), Recorder()
        self.pair = Pair(
            client.connection(name, observer=self.client), server.connection(observer=self.server)
        )
        self.pair.exchange()

    def steps(self) -> dict[str, StepView]:
        return {view.name.id: view for view in step_views(self.client.notes, self.server.notes)}


def mutual(**options) -> Talk:
    return Talk(identities.client_config(identities.client(), **options), identities.server_config())
