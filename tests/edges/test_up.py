"""`holdfast up` as a command: what it refuses and how it ends; what `status` and `doctor` say beside it."""

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.edges.up import DEFAULT_HTTP
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.config import Address, parse_address
from holdfast.runtime.listeners import bind_listeners
from tests.running import Up, holdfast, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation without any sample."""
    with running(tmp_path_factory.mktemp("up") / "data", "--pos", "127.0.0.1:0") as it:
        yield it


def refused(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and the one line on stderr of a command that is refused."""
    done = holdfast(*arguments)
    lines = [line for line in done.stderr.splitlines() if "data folder is" not in line]
    assert (len(lines), done.stdout) == (1, "")
    return done.returncode, lines[0]


def test_a_port_that_was_given_and_is_taken_is_refused(tmp_path: Path, up: Up) -> None:
    code, line = refused("up", "--data", tmp_path / "other", "--pos", up.ready["pos"])
    assert code == 4
    assert up.ready["pos"] in line


def test_the_pages_have_a_port_of_their_own(tmp_path: Path, up: Up) -> None:
    http = up.ready["http"]
    code, line = refused("up", "--data", tmp_path / "other", "--pos", "127.0.0.1:0", "--http", http)
    assert (code, f"port {http} is in use" in line, "--http" in line) == (4, True, True)
    assert up.status()["running"]["http"] == http
    assert f"http://{http}/metrics" in holdfast("status", "--data", up.folder).stdout


@pytest.mark.parametrize("http", ["8080", "localhost", "unix:/tmp/x", "127.0.0.1:70000"])
def test_what_is_no_place_for_pages(tmp_path: Path, http: str) -> None:
    assert refused("up", "--data", tmp_path / "data", "--pos", "127.0.0.1:0", "--http", http)[0] == 2


def test_a_default_port_that_is_taken_moves_and_is_said_aloud_and_pages_can_be_left_out(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # Somebody else may have it already.
            stack.enter_context(socket.create_server((DEFAULT_HTTP.host, DEFAULT_HTTP.port)))
        moved = Up(tmp_path / "moved", "--pos", "127.0.0.1:0").start()
        assert moved.process is not None
        moved.process.send_signal(signal.SIGTERM)
        _, said = moved.process.communicate(timeout=60)
        assert parse_address(moved.ready["http"]).port != DEFAULT_HTTP.port
        assert f"port {DEFAULT_HTTP.port} is in use: the pages are at {moved.ready['http']}" in said
    with running(tmp_path / "none", "--pos", "127.0.0.1:0", "--http", "none") as without:
        assert without.ready["http"] is None
        assert "metrics" not in holdfast("status", "--data", without.folder).stdout


def test_a_folder_in_use_is_refused(up: Up) -> None:
    code, line = refused("up", "--data", up.folder, "--pos", "127.0.0.1:0")
    assert (code, str(up.pid) in line) == (4, True)


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert refused("up", "--data", file)[0] == 2
    assert refused("up", "--data", file / "below")[0] == 4
    assert refused("up", "--data", tmp_path / ("long" * 300))[0] == 2


@pytest.mark.parametrize("pos", ["9000", "127.0.0.1", "127.0.0.1:70000", ":9000", "::1:9000", "127.0.0.1:0"])
def test_what_is_no_address(pos: str) -> None:
    with pytest.raises(BadInput, match=r"9000|65535"):
        parse_address(pos)


def test_an_address_that_terminals_cannot_use_is_refused(tmp_path: Path) -> None:
    assert refused("up", "--data", tmp_path / "data", "--pos", "unix:/tmp/x")[0] == 2


def test_a_database_that_is_not_there_is_refused(tmp_path: Path) -> None:
    code, line = refused(
        "up", "--data", tmp_path / "data", "--pos", "127.0.0.1:0", "--db", "postgresql://u:pw@127.0.0.1:1/x"
    )
    assert (code, "pw" in line) == (4, False)
    assert refused("up", "--data", tmp_path / "data", "--pos", "127.0.0.1:0", "--db", "mysql://x")[0] == 2


def test_only_a_default_port_moves_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        (moved,) = bind_listeners(address, 1, may_move=True)
        assert moved.getsockname()[1] > taken.getsockname()[1]
        moved.close()
        with pytest.raises(Unreachable, match="in use"):
            bind_listeners(address, 1, may_move=False)


def test_a_port_that_workers_share_lets_nobody_else_in() -> None:
    listeners = bind_listeners(Address("127.0.0.1", 0), 3, may_move=False)
    try:
        assert len({listener.getsockname() for listener in listeners}) == 1
        address = Address("127.0.0.1", listeners[0].getsockname()[1])
        for workers in (1, 2):
            with pytest.raises(Unreachable, match="in use"):
                bind_listeners(address, workers, may_move=False)
    finally:
        for listener in listeners:
            listener.close()


def test_status_says_what_runs_and_what_is_open(up: Up, tmp_path: Path) -> None:
    found = up.status()
    assert found["running"]["pos"] == up.ready["pos"]
    assert [(row["process"], row["says"]) for row in found["processes"]] == [
        ("acquirer-1", "serving"),
        ("issuer", "serving"),
    ]
    assert {(row["party"], row["log"]) for row in found["logs"]} == {("acquirer", "A"), ("issuer", "I")}
    assert found["in_doubt"] == 0
    people = holdfast("status", "--data", up.folder)
    assert people.returncode == 0
    assert "acquirer-1" in people.stdout
    assert refused("status", "--data", tmp_path / "none")[0] == 4


def test_doctor_finds_nothing_wrong_where_nothing_is(up: Up, tmp_path: Path) -> None:
    for folder in (up.folder, tmp_path / "none"):
        done = holdfast("doctor", "--data", folder, "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert (done.returncode, [row["check"] for row in rows if not row["ok"]]) == (0, [])
    assert not (tmp_path / "none").exists()


def test_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    (folder / "something").write_text("")
    done = holdfast("doctor", "--data", folder)
    assert done.returncode == 1
    assert "chmod 700" in " ".join(done.stdout.split())
