"""The errors of a CA are distinguished by their types, and each type is raised."""

from __future__ import annotations

import ast
import inspect

import pytest

from architecture.sources import modules
from bothways import ConfigError, TLSError
from bothways.ca import errors
from bothways.ca.errors import AuthorityError
from bothways.cli.output.terminal import FAILED, MISUSED, status_of

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_kind_of_error_is_an_authority_error(kind: type[AuthorityError]) -> None:
    assert issubclass(kind, AuthorityError)
    assert issubclass(kind, TLSError)
    assert not issubclass(kind, ConfigError)
    assert str(kind("the store is gone")) == "the store is gone"


def test_every_kind_of_error_is_raised_by_some_test() -> None:
    """A kind that is never raised is deleted; base classes and the table of a driver's errors count."""
    raised = {
        ast.unparse(node.func)
        for tree in modules("ca").values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    bases = {base.__name__ for kind in KINDS for base in kind.__bases__}
    assert {kind.__name__ for kind in KINDS} - bases - {"PinWrong"} <= raised


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_an_altered_log_is_a_failure_and_other_errors_are_wrong_use(kind: type[AuthorityError]) -> None:
    assert status_of(kind("as it is")) == (FAILED if kind is errors.AuditFailed else MISUSED)
