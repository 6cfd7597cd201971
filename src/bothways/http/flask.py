"""Flask: `PeerExtension(app)` provides the authenticated client in each request, `require` restricts a view."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bothways.http import wsgi
from bothways.http.rules import REFUSED, PeerRules
from bothways.tls.events import Peer
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import Texts

View = Callable[..., Any]


class PeerExtension:
    """The extension: `PeerExtension(app)`, or `init_app(app)` later."""

    def __init__(self, app: Any = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Any) -> None:
        """Install the extension in an application."""
        app.wsgi_app = wsgi.WithCaller(app.wsgi_app)


def peer() -> Peer | None:
    """Return the authenticated client of the current request; None as for `wsgi.identity`."""
    return wsgi.identity(import_module("flask").request.environ)


def require(*rules: Rule, **kinds: Texts) -> Callable[[View], View]:
    """Restrict a view to certain clients; all others get status 403. The arguments are those of `PeerRules`."""
    checked = PeerRules(*rules, **kinds)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked_view(*arguments: Any, **named: Any) -> Any:
            flask = import_module("flask")
            if not checked.allows(peer(), flask.request.path):
                flask.abort(403, REFUSED)
            return flask.current_app.ensure_sync(view)(*arguments, **named)

        return checked_view

    return decorate
