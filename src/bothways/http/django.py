"""Django: a middleware that sets `request.peer`, and `require` for views, under ASGI and WSGI servers.

MIDDLEWARE = ["bothways.http.django.PeerMiddleware", ...]
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bothways.http import asgi, wsgi
from bothways.http.rules import REFUSED, PeerRules
from bothways.tls.events import Peer
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import Texts

View = Callable[..., Any]


class PeerMiddleware:
    """Sets `request.peer` to the authenticated client, or None."""

    sync_capable = async_capable = True

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response
        self._is_async = inspect.iscoroutinefunction(get_response)
        if self._is_async:
            import_module("asgiref.sync").markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Process a request."""
        request.peer = peer_of(request)
        return self._get_response(request)


def peer_of(request: Any) -> Peer | None:
    """Return the authenticated client of a Django request; None as for `asgi.identity` and `wsgi.identity`."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        return asgi.identity(scope)
    environ = getattr(request, "environ", None)
    if environ is None:
        return None
    wsgi.add_caller(environ)
    return wsgi.identity(environ)


def require(*rules: Rule, **kinds: Texts) -> Callable[[View], View]:
    """Restrict a view to certain clients; all others get Django's response to PermissionDenied.

    The arguments are those of `PeerRules`.
    """
    checked = PeerRules(*rules, **kinds)

    def decorate(view: View) -> View:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def checked_async(request: Any, *arguments: Any, **named: Any) -> Any:
                _check(checked, request)
                return await view(request, *arguments, **named)

            return checked_async

        @functools.wraps(view)
        def checked_view(request: Any, *arguments: Any, **named: Any) -> Any:
            _check(checked, request)
            return view(request, *arguments, **named)

        return checked_view

    return decorate


def _check(rules: PeerRules, request: Any) -> None:
    if not rules.allows(peer_of(request), request.path):
        raise import_module("django.core.exceptions").PermissionDenied(REFUSED)
