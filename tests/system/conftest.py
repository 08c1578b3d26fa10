"""One installation for all tests that do it no harm, and a way to have more of them."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.installation import Installation


@pytest.fixture(scope="session", autouse=True)
def socket_folders() -> Iterator[None]:
    """Where a data folder's path is too long, its sockets lie in the temporary folder: here in one that is removed."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", folder)
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, socket_folders: None) -> Iterator[Installation]:
    """A running installation with the sample, and terminals and cards of its own. Nobody may end what runs in it."""
    installation = Installation(tmp_path_factory.mktemp("shared"), "--sample")
    try:
        installation.start()
        installation.import_own()
        yield installation
        installation.stop()
    finally:
        installation.end()


@pytest.fixture
def make_installation(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """`make_installation(*options of up, folder=…)`: one more, not started; it is ended with the test."""
    made: list[Installation] = []

    def make(*options: object, folder: str = "") -> Installation:
        made.append(Installation(tmp_path / (folder or f"installation-{len(made) + 1}"), *options))
        return made[-1]

    yield make
    for installation in made:
        installation.end()
