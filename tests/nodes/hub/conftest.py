"""Made once for the hub's tests."""

import shutil
from collections.abc import Iterator

import pytest
from postgres_server import Postgres

from nodes.hub.home import HubHome
from nodes.hub.hub import Hub


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    made = Postgres()
    made.make()
    made.start()
    yield made
    made.kill()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A running hub with a broker of its own."""
    made = Hub(HubHome(tmp_path_factory.mktemp("hub")))
    made.start()
    yield made
    made.stop()
