"""Backups of an installation that serves, and what comes back of them: done as an administrator does it."""

import asyncio
import json
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from holdfast.edges import cli
from holdfast.keys.file import FileKeys
from holdfast.register import checkpoint as notes
from holdfast.runtime.archive import DUMPS, opened
from holdfast.runtime.config import notice_of, parse_address, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.kept import kept_checkpoints
from tests.running import Counter, Up, holdfast, running, until

ANY_PORT = ("--pos", "127.0.0.1:0")
PASSPHRASE = "correct horse battery staple"


class Lived(NamedTuple):
    """An installation that served and has stopped: its folder, its database as it once was, and a backup between."""

    data: Path
    older: Path
    backup: Path
    told: dict[str, Any]
    """What `holdfast backup` said."""
    sizes: dict[str, int]
    """How long each log is known to be now."""
    before: Counter
    """A terminal that was told nothing after the backup was made."""
    since: Counter
    """A terminal that was."""

    @property
    def keys(self) -> Path:
        return self.data / "keys"


def signed_sizes(keys: Path) -> dict[str, int]:
    """The longest checkpoint beside the keys, by log."""
    public_key = FileKeys.open(keys).public_key()
    sizes: dict[str, int] = {}
    for text in kept_checkpoints(keys):
        said = notes.verify(text, public_key)
        sizes[said.log] = max(said.size, sizes.get(said.log, 0))
    return sizes


Refused = Callable[..., str]


class Trade:
    """A terminal that goes on asking, meanwhile."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.approved = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def _go_on(self) -> None:
        while not self._over.is_set():
            assert self.counter.pre_auth(amount_minor=1_00).get(39) == "00"
            self.approved += 1

    def __enter__(self) -> "Trade":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def entries_of(up: Up) -> dict[str, int]:
    return {row["log"]: row["entries"] for row in up.status()["logs"]}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("backup")
    data, older, file = folder / "one", folder / "older", folder / "one.backup"
    with running(data, *ANY_PORT, "--sample") as up:
        before = up.terminal("T0000001")
        assert before.pre_auth().get(39) == "00"
    shutil.copytree(data / "postgres", older)
    with running(data, *ANY_PORT) as up:
        with Trade(up.terminal("T0000002")) as trade:
            until(lambda: trade.approved > 3)
            made = holdfast("backup", "--data", data, "--out", file, "--json")
            assert (made.returncode, made.stderr) == (0, "")
            so_far = trade.approved
            until(lambda: trade.approved > so_far + 3)
        ended = entries_of(up)
        until(lambda: signed_sizes(data / "keys") == ended)
    return Lived(data, older, file, json.loads(made.stdout), ended, before, trade.counter)


def restore(file: Path, target: Path, *words: str | Path) -> dict[str, Any]:
    done = holdfast("restore", file, "--data", target, *words, "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Types `holdfast WORDS`, which must be refused in one last line: that line."""

    def run(*words: str | Path, code: int = 2) -> str:
        monkeypatch.setattr("sys.argv", ["holdfast", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert (ended.value.code, told.out) == (code, ""), told.err
        return told.err.splitlines()[-1]

    return run


def verified(data: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(holdfast("register", "verify", "--data", data, "--json").stdout)
    return said


def test_a_backup_is_a_private_file_without_keys(lived: Lived) -> None:
    assert lived.backup.stat().st_mode & 0o777 == 0o600
    assert (lived.told["keys"], lived.told["bytes"]) == ("apart", lived.backup.stat().st_size)
    secrets = [path.read_bytes().split()[1] for path in lived.keys.glob("*.key")]
    secrets += [(lived.keys / "postgres.password").read_bytes(), b"holdfast_acquirer:"]
    content = lived.backup.read_bytes()
    assert not any(secret in content for secret in secrets)
    with zipfile.ZipFile(lived.backup) as archive:
        assert set(archive.namelist()) == {
            "manifest.json", "manifest.signature", "checkpoints.json", *DUMPS.values()
        }  # fmt: skip


def test_what_comes_back_holds_says_what_it_lacks_and_uses_no_id_twice(lived: Lived, tmp_path: Path) -> None:
    target = tmp_path / "two"
    before = {path: path.read_bytes() for path in lived.keys.rglob("*") if path.is_file()}
    said = restore(lived.backup, target, "--keys", lived.keys)
    assert {path: path.read_bytes() for path in lived.keys.rglob("*") if path.is_file()} == before
    backed_up = {log["log"]: log["size"] for log in lived.told["logs"]}
    assert {log["log"]: log["size"] for log in said["logs"]} == backed_up
    assert {log["log"]: log["known"] for log in said["logs"]} == lived.sizes
    assert (said["verified"], said["problems"], len(said["lost"])) == (True, [], 2)
    assert said["lost"][0] == {"first": f"A-{backed_up['A'] + 1:06d}", "last": f"A-{lived.sizes['A']:06d}"}

    generation = said["generation"]
    with running(target, *ANY_PORT, "--workers", "2") as up:
        counter = up.terminal("T0000003")
        answers = [counter.pre_auth("bob", 5_00 + number) for number in range(3)]
        assert [answer.get(39) for answer in answers] == ["00"] * 3
        assert all(answer.get(37).startswith(generation) for answer in answers)
        rows = [
            json.loads(line)
            for line in holdfast("register", "list", "--entries", "--data", target, "--json").stdout.splitlines()
        ]
        ids = [row["entry"] for row in rows]
        assert len(set(ids)) == len(ids)
        assert {entry.partition("-")[0] for entry in ids} <= {"A", f"{generation}A", f"{generation}B"}
        assert max(int(entry.partition("-")[2]) for entry in ids if entry.startswith("A-")) == backed_up["A"]
        (told,) = (row for row in rows if row["phase"] == "restored")
        assert (told["entry"], told["kind"]) == (f"{generation}A-000001", "audit")
        assert told["facts"]["ended"] == {"A": backed_up["A"]}
        assert told["facts"]["lost"] == {"A": [backed_up["A"] + 1, lived.sizes["A"]]}
        found = verified(target)
        assert (found["ok"], found["problems"]) == (True, [])
        assert len(found["notes"]) == 2
        assert f"entries A-{backed_up['A'] + 1:06d} to A-{lived.sizes['A']:06d} were lost" in found["notes"][0]
        secrets_stay_secret(target)
        who_knows_more_is_found_out(up, lived, backed_up["A"])


def who_knows_more_is_found_out(up: Up, lived: Lived, last: int) -> None:
    """No terminal goes on in the session of before; what each was told last is seen when it signs on again."""
    for counter, told in ((lived.before, f"A-{last:06d}"), (lived.since, f"A-{last + 1:06d}")):
        address = parse_address(str(up.ready["pos"]))
        counter.place = (address.host, address.port)
        refused = counter.pre_auth(amount_minor=2_00)
        assert (refused.get(39), 37 in refused.fields, 57 in refused.fields) == ("A0", False, False)
        body = counter.terminal.sign_on(**{"57": f"HF1|1000000|{'0' * 16}|{told}"})
        assert counter.terminal.take_keys(counter.exchange(body)) == "00"
        assert counter.pre_auth(amount_minor=2_00).get(39) == "00"
    listed = holdfast("register", "list", "--entries", "--kind", "finding", "--data", up.folder, "--json").stdout
    (found,) = (json.loads(line) for line in listed.splitlines())
    assert (found["facts"]["terminal_id"], found["facts"]["about"]) == ("T0000002", f"A-{last + 1:06d}")
    assert "the terminal was told an entry that is missing" in found["reason"]


def secrets_stay_secret(data: Path) -> None:
    """What a migration keeps from the reading role is kept from it in a restored database, too."""
    notice = notice_of(DataFolder(data))
    dsn = role_dsns(notice.database, Path(notice.keys)).reader_acquirer

    async def read() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT count(*) FROM requests")
            for table in ("cards", "sessions"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetchval(f"SELECT count(*) FROM {table}")
        finally:
            await connection.close()

    asyncio.run(read())


def test_an_older_copy_of_the_database_is_not_served_and_can_be_restored(lived: Lived, tmp_path: Path) -> None:
    data = tmp_path / "copy"
    shutil.copytree(lived.data, data, ignore=shutil.ignore_patterns("postgres", "run"))
    shutil.copytree(lived.older, data / "postgres")
    says = holdfast("up", "--data", data, *ANY_PORT)
    assert (says.returncode, says.stdout) == (4, "")
    (line,) = (line for line in says.stderr.splitlines() if "database: " not in line)
    assert f"has a checkpoint of {lived.sizes['A']} that we signed; gone: A-" in line
    assert "`holdfast restore`" in line
    # Nothing runs in it: the backup starts its database for itself.
    made = holdfast("backup", "--data", data, "--out", tmp_path, "--json")
    assert made.returncode == 0, made.stderr
    file = Path(json.loads(made.stdout)["file"])
    assert file.name.startswith("holdfast-20")
    said = restore(file, tmp_path / "three", "--keys", data / "keys")
    assert said["verified"]
    assert said["lost"][0]["last"] == f"A-{lived.sizes['A']:06d}"


def test_keys_travel_only_when_asked_for_and_sealed(lived: Lived, tmp_path: Path, refused: Refused) -> None:
    words = ("backup", "--data", lived.data, "--out", tmp_path / "sealed.backup", "--with-keys", "--passphrase-file")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("short\n", encoding="utf-8")
    passphrase.chmod(0o644)
    assert "can be read by others: chmod 600 it" in refused(*words, passphrase)
    passphrase.chmod(0o600)
    assert "a passphrase of 5 letters can be guessed" in refused(*words, passphrase)
    passphrase.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    made = holdfast(*words, passphrase)
    assert made.returncode == 0, made.stderr
    assert "It holds the keys, sealed" in made.stdout
    with opened(tmp_path / "sealed.backup") as backup:
        assert backup.has_keys
    masters = [path.read_bytes().split()[1] for path in lived.keys.glob("*.key")]
    assert not any(master in (tmp_path / "sealed.backup").read_bytes() for master in masters)

    target = tmp_path / "four"
    again = ("restore", tmp_path / "sealed.backup", "--data", target)
    assert "nobody can be asked: name a file with it (--passphrase-file)" in refused(*again)
    (tmp_path / "wrong").write_text("incorrect horse battery", encoding="utf-8")
    (tmp_path / "wrong").chmod(0o600)
    assert "the passphrase is not the one" in refused(*again, "--passphrase-file", tmp_path / "wrong")
    assert not target.exists()
    said = restore(tmp_path / "sealed.backup", target, "--passphrase-file", passphrase)
    assert (said["verified"], said["lost"]) == (True, [])
    for path in lived.keys.glob("*.key"):
        assert (target / "keys" / path.name).read_bytes() == path.read_bytes()
        assert (target / "keys" / path.name).stat().st_mode & 0o777 == 0o600


def test_a_restore_is_whole_or_leaves_nothing(lived: Lived, tmp_path: Path, refused: Refused) -> None:
    target = tmp_path / "five"
    FileKeys.create(tmp_path / "other")
    broken = tmp_path / "broken"
    content = lived.backup.read_bytes()
    broken.write_bytes(content[: len(content) // 2] + b"x" + content[len(content) // 2 + 1 :])
    for words, says in (
        ((lived.backup,), "the backup holds no keys: name the folder with the keys of its installation (--keys DIR)"),
        ((lived.backup, "--keys", tmp_path / "other"), "these are not the keys of the installation"),
        ((broken, "--keys", lived.keys), "is no whole backup of Holdfast"),
        ((tmp_path / "none", "--keys", lived.keys), "cannot be read: No such file"),
    ):
        assert says in refused("restore", *words, "--data", target)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "other"]
    assert "is not empty: a backup is restored into a new folder" in refused(
        "restore", lived.backup, "--data", lived.data, "--keys", lived.keys
    )


def test_what_cannot_be_backed_up_is_named(lived: Lived, tmp_path: Path, refused: Refused) -> None:
    backup = ("backup", "--data", lived.data, "--out")
    assert "inside the data folder: a backup belongs on another disk" in refused(*backup, lived.data / "x")
    assert "is there already" in refused(*backup, lived.backup)
    assert "is no folder: make it first" in refused(*backup, f"{tmp_path}/daily/")
    assert "is for --with-keys" in refused(*backup, tmp_path / "x", "--passphrase-file", lived.backup)
    assert "cannot be reached" in refused("backup", "--data", tmp_path / "no", "--out", tmp_path / "x", code=4)
    (tmp_path / "empty").mkdir(mode=0o700)
    empty = refused("backup", "--data", tmp_path / "empty", "--out", tmp_path / "x", code=4)
    assert "has no database of its own: name its server with --db" in empty
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
