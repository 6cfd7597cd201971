"""The public names of `bothways.testing`."""

from __future__ import annotations

import pytest

from bothways import testing


def test_every_public_name_is_there():
    assert all(hasattr(testing, name) for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = testing.Nothing
