from __future__ import annotations

import pytest

from bothways.testing import MutualTLS


@pytest.fixture(scope="module")
def mutual(tmp_path_factory):
    with MutualTLS(tmp_path_factory.mktemp("http")) as made:
        yield made
