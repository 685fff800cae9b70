"""What every test may use: the databases and servers of the run."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings as hypothesis_settings

from choreo_web.ports import free_port
from tests import servers, settings

pytest_plugins = ["tests.both_databases"]

# No deadline for a single example: two passes share two cores, and what is slow there says nothing about the code.
hypothesis_settings.register_profile("choreo", deadline=None, print_blob=True)
hypothesis_settings.load_profile("choreo")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a maintenance database on a PostgreSQL of this run, or on the one that DATABASE_URL names."""
    with ExitStack() as stack:
        if settings.GIVEN_DATABASE_URL:
            yield settings.GIVEN_DATABASE_URL
        elif settings.DATABASE_URL:
            yield stack.enter_context(servers.postgresql(settings.DATABASES["default"]["PORT"]))
        else:
            yield stack.enter_context(servers.postgresql(free_port()))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Valkey of this run, or of the Redis that REDIS_URL names."""
    with ExitStack() as stack:
        yield settings.GIVEN_REDIS_URL or stack.enter_context(servers.valkey(free_port()))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """pytest-django asks for this just before it makes the test database: the server has to run by then."""
    if settings.DATABASE_URL:
        request.getfixturevalue("postgres_url")


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database, for tests that start Choreo's own processes."""
    with servers.database(postgres_url, f"choreo_{secrets.token_hex(6)}") as url:
        yield url
