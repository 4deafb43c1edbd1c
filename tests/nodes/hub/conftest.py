"""Made once for the hub's tests."""

import shutil
from collections.abc import Iterator

import pytest
from postgres_server import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    made = Postgres()
    made.make()
    made.start()
    yield made
    made.kill()
    shutil.rmtree(made.folder, ignore_errors=True)
