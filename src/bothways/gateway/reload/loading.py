"""The routes of a gateway that runs: with what serves their clients, so that no event loop waits for it."""

from __future__ import annotations

from importlib import import_module

from bothways.gateway.config.gateway import GatewayConfig
from bothways.gateway.files.held import Making
from bothways.gateway.routes.routes import Routes, made_routes
from bothways.tls.resumption.ticket_keys import TicketKeys


def loaded_routes(config: GatewayConfig, tickets: TicketKeys | None, making: Making) -> Routes:
    """Return the routes of a configuration, as `made_routes` does, and load what reads HTTP where it is needed."""
    routes = made_routes(config, tickets, making)
    if any(each.config.http is not None for each in routes.all):
        import_module("bothways.gateway.http.conversation")
    if config.metrics is not None:
        import_module("bothways.gateway.http.operator")
    if config.status is not None:
        import_module("bothways.gateway.observe.status_page")
    return routes
