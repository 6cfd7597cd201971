"""A module's names are imported when they are first asked for."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from bothways.lazy_names import lazy_names


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("made_for_a_test")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    made.__dict__["__getattr__"] = lazy_names(made.__name__, {"json": "dumps loads read=loads"})
    return made


def test_a_name_leads_to_its_definition_and_is_kept(module: ModuleType) -> None:
    assert "dumps" not in vars(module)
    assert module.dumps is json.dumps
    assert vars(module)["dumps"] is json.dumps


def test_a_former_name_leads_to_the_present_one(module: ModuleType) -> None:
    assert module.read is json.loads


def test_unknown_name_of_a_lazy_module_is_an_attribute_error(module: ModuleType) -> None:
    """Not one of the module that defines the names, either."""
    with pytest.raises(AttributeError, match="module 'made_for_a_test' has no attribute 'dump'"):
        _ = module.dump
