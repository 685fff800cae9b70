"""Neither Django nor a database: the client and the example stand on their own."""

from collections.abc import Iterator

import pytest

from tests.client.fake_choreo import FakeChoreo, serve


@pytest.fixture
def fake() -> FakeChoreo:
    """A Choreo in memory, to be reached through `fake.transport()`."""
    return FakeChoreo()


@pytest.fixture
def served() -> Iterator[FakeChoreo]:
    """A Choreo in memory behind a real port, `served.url`."""
    with serve(FakeChoreo()) as choreo:
        yield choreo
