"""What a person gets wrong gets one line and the right exit code; nothing is lost, and the journal stays as it was."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.domain.records import TERMINAL_TABLES
from holdfast.edges.open_reader import installation as installation_of
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.pos import file_of
from holdfast.runtime.strays import postgres_in
from holdfast.store.sqlite import SqliteStore
from tests.system.installation import Installation, Ran, holdfast, wait_until
from tests.system.journals import journal_of

TERMINAL = "T0000002"
NOBODY = 65534
SOCKET_PATH_BYTES_MAX = 107
FOLDER_PATH_BYTES_MAX = 900


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that is tampered with; its path is too long for sockets."""
    folder = tmp_path_factory.mktemp("own") / ("a-path-that-goes-on-and-on-" * 4)
    installation = Installation(folder, "--sample")
    try:
        installation.start()
        yield installation
        installation.stop()
    finally:
        installation.end()


# --- the terminal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pre-auth", "--amount", "12.345", "--card", "alice"), "12.345"),
        (("pre-auth", "--amount", "abc", "--card", "alice"), "abc"),
        (("pre-auth", "--amount", "-5.00", "--card", "alice"), "-5.00"),
        (("pre-auth", "--amount", "0", "--card", "alice"), "0"),
        (("pre-auth", "--amount", "99999999999.00", "--card", "alice"), "amount"),
        (("pre-auth", "--card", "alice"), "--amount"),
        (("pre-auth", "--amount", "5.00", "--card", "zoe"), "zoe"),
        (("pre-auth", "--amount", "5.00", "--card", "12345"), "13 to 19 digits"),
        (("pre-auth", "--amount", "5.00", "--card", "track2:rubbish"), "13 to 19 digits"),
        (("pre-auth", "--amount", "5.00", "--card", "alice", "--expiry", "12/31"), "YYMM"),
        (("complete", "--amount", "5.00", "--card", "alice", "--original", "12345678"), "authorization code"),
        (("complete", "--amount", "5.00", "--card", "alice", "--original", "123456", "--date", "1"), "MMDD"),
        (("void", "--card", "alice", "--original", "123456"), "supervisor"),
        (("--repeat", "rubbish"), "trace key"),
        (("query", "T0000002/000001/999999/0100"), "no request"),
        (("--patience", "nan", "echo"), "--patience"),
        (("--operator", "1", "echo"), "--operator"),
    ],
)
def test_what_a_cashier_mistypes_is_not_even_asked(shared: Installation, words: tuple[str, ...], says: str) -> None:
    before = journal(shared)
    assert says in shared.terminal(TERMINAL, *words, expect=2).complaint
    assert journal(shared) == before


def journal(installation: Installation) -> list[dict[str, Any]]:
    """The terminal's journal, once it has one."""
    if not file_of(installation.tills, TERMINAL).exists():
        installation.terminal(TERMINAL, "sign-on")
    return asyncio.run(journal_of(installation, TERMINAL))[2]


@pytest.mark.parametrize("terminal_id", ["T1", "T00000001", "T 000002", "T000000终", ""])
def test_a_terminal_id_that_is_none(shared: Installation, terminal_id: str) -> None:
    assert "8 letters and digits" in shared.terminal(terminal_id, "echo", expect=2).complaint


def test_a_terminal_that_nobody_loaded(shared: Installation) -> None:
    assert "load-key" in shared.terminal("T9999999", "echo", expect=2).complaint


def test_the_wrong_master_key_is_named(shared: Installation) -> None:
    terminal_id = shared.new_terminal()
    merchant = ("--merchant", "104290070110001", "--merchant-name", "East Lake Hotel")
    shared.terminal(terminal_id, "load-key", "--tmk", "00112233445566778899AABBCCDDEEFF", *merchant)
    answer = shared.terminal(terminal_id, "pre-auth", "--amount", "1.00", "--card", "alice", expect=1).json
    assert "master keys differ" in answer["reason"]
    assert "not 16" in shared.terminal(terminal_id, "load-key", "--tmk", "0011", *merchant, expect=2).complaint


@pytest.mark.parametrize(
    ("at", "code", "says"),
    [
        ("127.0.0.1:1", 4, "holdfast up"),
        ("nowhere.invalid:9000", 4, "holdfast up"),
        ("127.0.0.1", 2, "a host and a port"),
        ("127.0.0.1:99999", 2, "between 1 and 65535"),
    ],
)
def test_a_host_that_is_not_there(shared: Installation, at: str, code: int, says: str) -> None:
    before = journal(shared)
    ran = shared.terminal(TERMINAL, "pre-auth", "--amount", "5.00", "--card", "alice", expect=code, at=at)
    assert says in ran.complaint
    assert journal(shared) == before


def test_a_host_that_never_answers_the_sign_on(shared: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        at = f"127.0.0.1:{mute.getsockname()[1]}"
        terminal_id = shared.new_terminal()
        shared.load_key(terminal_id)
        words = ("--patience", "1", "pre-auth", "--amount", "5.00", "--card", "alice")
        assert "nothing was asked" in shared.terminal(terminal_id, *words, expect=4, at=at).complaint
    assert shared.terminal(terminal_id, "pre-auth", "--amount", "5.00", "--card", "alice").json["outcome"] == "approved"


def test_a_host_that_never_answers_a_request_leaves_it_unknown_until_the_reversal_is_through(
    shared: Installation,
) -> None:
    journal(shared)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        at = f"127.0.0.1:{mute.getsockname()[1]}"
        words = ("--patience", "1", "pre-auth", "--amount", "5.00", "--card", "alice")
        asked = shared.terminal(TERMINAL, *words, expect=3, at=at).json
        assert (asked["outcome"], asked["reversal"]) == ("unknown", "waiting")
    assert shared.terminal(TERMINAL, "query", asked["trace_key"], expect=3).json["outcome"] == "unknown"
    shared.terminal(TERMINAL, "sync")
    assert shared.terminal(TERMINAL, "query", asked["trace_key"], expect=1).json["outcome"] == "reversed"
    row = shared.row(asked["trace_key"])
    assert row is not None
    assert (row["outcome"], row["reason"]) == ("declined", "its reversal came first")


def test_two_terminals_that_are_switched_on_together_in_a_new_folder(shared: Installation, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast", "terminal", "--data", str(tmp_path / "new"), "--host", shared.at]
    started = [
        subprocess.Popen([*command, "--id", terminal_id, "echo"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for terminal_id in ("T0000001", "T0000003", "T0000004")
    ]
    assert [terminal.communicate()[1] for terminal in started] == [b""] * 3
    assert [terminal.returncode for terminal in started] == [0] * 3


def test_a_terminal_that_is_in_use(shared: Installation) -> None:
    before = journal(shared)
    store = SqliteStore(file_of(shared.tills, TERMINAL), TERMINAL_TABLES)
    try:
        assert "in use" in shared.terminal(TERMINAL, "echo", expect=4).complaint
        assert len(shared.terminal(TERMINAL, "journal").rows) == len(before), "who only reads may"
    finally:
        asyncio.run(store.close())


# --- up -----------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken(shared: Installation, tmp_path: Path) -> None:
    ran = holdfast("up", "--data", tmp_path / "d", "--pos", shared.at)
    assert ran.code == 4
    assert f"{shared.at} is in use" in ran.complaint


def test_a_folder_that_is_in_use(shared: Installation) -> None:
    ran = holdfast("up", "--data", shared.data, "--pos", "127.0.0.1:0")
    assert ran.code == 4
    assert f"in use by pid {shared.pid_of('up')}" in ran.complaint


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--pos", "9000"), 2, "a host and a port"),
        (("--pos", "127.0.0.1:99999"), 2, "between 0 and 65535"),
        (("--pos", "192.0.2.1:9000"), 4, "cannot listen"),
        (("--db", "mysql://x"), 2, "postgresql://"),
        (("--db", "postgresql://x:y@127.0.0.1:1/z", "--pos", "127.0.0.1:0"), 4, "cannot be reached"),
    ],
)
def test_up_cannot_be_told_so(words: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    ran = holdfast("up", "--data", tmp_path / "d", *words)
    assert ran.code == code
    assert says in ran.complaint


@pytest.mark.parametrize("command", ["status", "register list", "register verify", "register proof A-000001"])
def test_where_nothing_runs_the_command_that_starts_it_is_named(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir(mode=0o700)
    ran = holdfast(*command.split(), "--data", folder)
    assert ran.code == 4
    assert f"holdfast up --data {folder}" in ran.complaint
    missing = holdfast(*command.split(), "--data", tmp_path / "missing")
    assert missing.code == 4
    assert not (tmp_path / "missing").exists(), "who only reads makes no folder by a typing error"


def test_a_path_that_is_too_long_for_anybody(tmp_path: Path) -> None:
    path = Path(tmp_path, *["x" * 200] * 5)
    ran = holdfast("up", "--data", path)
    assert ran.code == 2
    assert f"at most {FOLDER_PATH_BYTES_MAX}" in ran.complaint


def test_a_path_that_is_too_long_for_sockets_works(own: Installation) -> None:
    assert len(os.fsencode(own.data / "run" / "issuer.iso")) > SOCKET_PATH_BYTES_MAX
    assert own.terminal("T0000001", "pre-auth", "--amount", "5.00", "--card", "alice").json["outcome"] == "approved"
    assert own.run("register", "verify", "--json").json["ok"]


BOUND_BY_MODES = "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search"
"""Root without the right to pass over modes: an ordinary user in a folder of his own."""


def test_folders_that_may_not_be_written(shared: Installation, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "something").touch()
    closed.chmod(0o500)
    before = BOUND_BY_MODES.split() if os.geteuid() == 0 else []
    for folder in (closed, closed / "new"):
        for command in (("up", "--pos", "127.0.0.1:0"), ("terminal", "--id", "T0000001", "--host", shared.at, "echo")):
            words = [*before, sys.executable, "-m", "holdfast", *command, "--data", str(folder)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            ran = Ran(done.returncode, done.stdout, done.stderr)
            assert ran.code == 4, ran
            assert str(folder) in ran.complaint
            assert "another --data" in ran.complaint


def test_the_folder_of_another(shared: Installation) -> None:
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as name:
            os.chown(name, NOBODY, NOBODY)
            ran = holdfast("up", "--data", name)
            assert ran.code == 2
            assert "belongs to user nobody" in ran.complaint


@pytest.mark.parametrize("words", [("register", "verify"), ("register", "list")])
def test_the_wrong_keys_are_refused(shared: Installation, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    complaint = shared.run(*words, "--keys", tmp_path / "keys", expect=4).complaint
    assert str(tmp_path / "keys") in complaint


# --- the database -------------------------------------------------------------------------------------------------


def test_postgres_that_stops_answering_leaves_a_request_unknown_and_it_resolves(shared: Installation) -> None:
    journal(shared)
    servers = postgres_in(shared.data / "postgres")
    try:
        for pid in servers:
            os.kill(pid, signal.SIGSTOP)
        words = ("--patience", "1", "pre-auth", "--amount", "7.00", "--card", "bob")
        asked = shared.terminal(TERMINAL, *words, expect=3).json
        assert (asked["outcome"], asked["register_entry"]) == ("unknown", None)
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGCONT)
    shared.terminal(TERMINAL, "sync")
    assert shared.terminal(TERMINAL, "query", asked["trace_key"], expect=1).json["outcome"] == "reversed"
    row = wait_until("it is registered", lambda: shared.row(asked["trace_key"]))
    assert row["outcome"] in ("reversed", "declined")
    wait_until("nothing is in doubt", lambda: shared.run("status", "--json").json["in_doubt"] == 0)


def test_postgres_that_is_killed_in_mid_flight_loses_nothing(own: Installation) -> None:
    pid = own.pid_of("postmaster")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    answer = own.terminal("T0000001", "pre-auth", "--amount", "7.00", "--card", "bob").json
    assert answer["outcome"] == "approved", "the request waited for the database"
    row = own.row(answer["trace_key"])
    assert row is not None
    assert (row["outcome"], row["entry"]) == ("approved", answer["register_entry"])


# --- tampering ----------------------------------------------------------------------------------------------------

ENTRY = "number = $1"
REQUEST = "asked_entry = 'A-' || lpad($1::int::text, 6, '0')"

TAMPERED = {
    "an entry says something else": "UPDATE acquirer.entries SET "
    f"body = convert_to(replace(convert_from(body, 'UTF8'), '777', '778'), 'UTF8') WHERE {ENTRY}",
    "an entry has another leaf": f"UPDATE acquirer.entries SET leaf = sha256(leaf) WHERE {ENTRY}",
    "an entry is gone": f"DELETE FROM acquirer.entries WHERE {ENTRY}",
    "a row says something else": f"UPDATE acquirer.requests SET amount_minor = amount_minor + 1 WHERE {REQUEST}",
    "a row is gone": f"DELETE FROM acquirer.requests WHERE {REQUEST}",
}


@pytest.fixture(scope="module")
def recorded(own: Installation) -> tuple[str, str]:
    """The entry that opened a request, and the request's trace key."""
    answer = own.terminal("T0000001", "pre-auth", "--amount", "7.77", "--card", "carol").json
    first = own.register("--entries", "--trace-key", answer["trace_key"])[-1]
    assert first["phase"] == "asked"
    return first["entry"], answer["trace_key"]


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_changed_by_hand_is_named(own: Installation, recorded: tuple[str, str], what: str) -> None:
    """As a database administrator would do it, behind our back; and undone again."""
    number = int(recorded[0].partition("-")[2])
    asyncio.run(with_tampering(own, TAMPERED[what], number, lambda: assert_named(own, *recorded)))


def test_undone_again_everything_holds(own: Installation, recorded: tuple[str, str]) -> None:
    assert own.run("register", "verify", "--json").json["ok"] is True


def assert_named(own: Installation, entry: str, trace_key: str) -> None:
    """`register verify` says no, and names the entry or the request."""
    ran = own.run("register", "verify", "--json", expect=1)
    assert ran.json["ok"] is False
    said = str(ran.json["problems"])
    assert entry in said or trace_key in said, said


async def with_tampering(own: Installation, statement: str, number: int, check: Any) -> None:
    """Change it, look, and put everything back as it was."""
    connection = await asyncpg.connect(EmbeddedPostgres(DataFolder(own.data)).dsn.replace("/postgres?", "/holdfast?"))
    try:
        # Whoever can do that is no obstacle to a trigger.
        await connection.execute("SET session_replication_role = replica")
        for table in ("entries", "requests"):
            await connection.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM acquirer.{table}")
        assert await connection.execute(statement, number) in ("UPDATE 1", "DELETE 1")
        await asyncio.to_thread(check)
        for table, key in (("entries", "number"), ("requests", "trace_key")):
            differing = f"SELECT * FROM kept_{table} EXCEPT SELECT * FROM acquirer.{table}"
            await connection.execute(f"CREATE TEMP TABLE again_{table} AS {differing}")
            await connection.execute(f"DELETE FROM acquirer.{table} WHERE {key} IN (SELECT {key} FROM again_{table})")
            await connection.execute(f"INSERT INTO acquirer.{table} SELECT * FROM again_{table}")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acquirer.entries SET kind = 'x'",
        "DELETE FROM acquirer.entries",
        "TRUNCATE acquirer.entries",
        "DELETE FROM acquirer.requests",
    ],
)
def test_whoever_only_reads_cannot_change_it_and_the_issuer_cannot_even_read_it(
    own: Installation, statement: str
) -> None:
    dsns = installation_of(own.data, "", None).dsns
    for dsn in (dsns.issuer, dsns.reader_acquirer, dsns.reader_issuer):
        with pytest.raises(asyncpg.PostgresError):
            asyncio.run(executed(dsn, statement))
    for dsn in (dsns.issuer, dsns.reader_issuer):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(executed(dsn, "SELECT * FROM acquirer.entries"))


async def executed(dsn: str, statement: str) -> None:
    """One statement with that login."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
