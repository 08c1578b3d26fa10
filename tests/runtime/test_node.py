"""Nodes of several installations on one database: workers share it, one issuer is active, the keys must be there."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from holdfast.runtime.config import NodeConfig, load_node_config, role_dsns, without_login, write_file
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.node import address_of, folder_of, issuer_holder, issuer_socket
from tests.running import holdfast, running, until

CONFIG = NodeConfig("acquirer", "acquirer-1", 1, "postgresql:///x", "/k", "h", "/d", "/l", 3, "/n", "/f")


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """A PostgreSQL that belongs to no installation."""
    folder = DataFolder(tmp_path / "server")
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        await postgres.start()
        try:
            yield postgres.dsn
        finally:
            await postgres.stop()


async def test_two_installations_share_a_database_and_one_issuer_is_active(tmp_path: Path, server: str) -> None:
    one, two, keys = tmp_path / "one", tmp_path / "two", tmp_path / "keys"
    shared = ("--db", server, "--keys", keys, "--pos", "127.0.0.1:0")
    with running(one, *shared, "--sample") as first:
        without_keys = holdfast("up", "--data", two, "--db", server, "--pos", "127.0.0.1:0")
        assert (without_keys.returncode, without_keys.stderr.count("\n")) == (4, 1)
        assert "--keys" in without_keys.stderr
        with running(two, *shared) as second:
            assert {row.get("log") for up in (first, second) for row in up.status()["processes"]} == {
                "A",
                "B",
                "I",
                None,
            }
            counter = second.terminal("T0000002")
            assert counter.pre_auth().get(39) == "00"
            neighbour = first.pids()["acquirer-1"]
            os.kill(neighbour, signal.SIGSTOP)
            assert counter.pre_auth().get(39) == "00"
            os.kill(neighbour, signal.SIGCONT)
            assert first.stop() == 0
            until(lambda: second.pids().get("issuer"))
            until(lambda: counter.pre_auth("bob", 1_00).get(39) == "00")


def test_a_node_is_told_everything_in_one_line() -> None:
    line = CONFIG.dump().decode()
    assert line.count("\n") == 1
    assert load_node_config(line) == CONFIG


@pytest.mark.parametrize("module", ["node", "watch"])
@pytest.mark.parametrize("said", [b"", CONFIG.dump()[:40]])
def test_whose_starter_died_before_it_had_said_all_ends_with_one_line(module: str, said: bytes) -> None:
    command = [sys.executable, "-m", f"holdfast.runtime.{module}"]
    ended = subprocess.run(command, input=said, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)
    assert b"was gone before it had said what to run" in ended.stderr


def test_where_an_issuer_is(tmp_path: Path) -> None:
    config = CONFIG._replace(issuer_notice=str(tmp_path / "issuer.json"))
    assert address_of("here", config) is None
    write_file(tmp_path / "issuer.json", {"address": "unix:/run/issuer.iso", "door": "/run/issuer.door"})
    assert str(address_of("here", config)) == "unix:/run/issuer.iso"
    assert str(address_of("10.1.2.3:7000", config)) == "10.1.2.3:7000"
    assert address_of("nonsense", config) is None
    holder = issuer_holder("0123456789abcdef", Path("/data/with space/run"))
    assert issuer_socket(folder_of(holder)) == Path("/data/with space/run/issuer.iso")


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:p@db.example:5432/holdfast", "postgresql://db.example:5432/holdfast?"),
        ("postgresql://u:p@/holdfast?host=/run/x&port=5432", "postgresql:///holdfast?host=/run/x&port=5432"),
    ],
)
def test_the_notice_names_the_server_without_a_login(dsn: str, shown: str, tmp_path: Path) -> None:
    assert without_login(dsn) == shown
    names = ("acquirer", "issuer", "reader_acquirer", "reader_issuer")
    passwords = {f"holdfast_{name}": f"secret-{name}" for name in names}
    write_file(tmp_path / "database-roles.json", passwords)
    assert "holdfast_reader_issuer:secret-reader_issuer@" in role_dsns(shown, tmp_path).reader_issuer
