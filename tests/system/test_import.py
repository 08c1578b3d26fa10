"""`holdfast import` as a person gives it: nothing is loaded while anything is wrong, and what is loaded serves."""

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psec import tr31

from holdfast.domain.records import TERMINALS
from holdfast.edges.import_rows import KINDS
from holdfast.edges.importing import PROBLEMS_SHOWN_MAX
from holdfast.errors import HoldfastError
from holdfast.keys import protection
from holdfast.runtime.config import ACQUIRER, notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.store.postgres_reader import PostgresReader
from tests.own_file import (
    ACCOUNT_ROW,
    COLUMNS,
    HEADER,
    ISSUER_ROW,
    MERCHANT,
    MERCHANT_ROW,
    OTHERS_BLOCK,
    PAN,
    TERMINAL_ROW,
    TMK,
    WHOLE,
    line,
)
from tests.running import HOLDFAST, Counter, Up, holdfast, running, until
from tests.standard_terminal import StandardTerminal


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder into which a whole file was imported while nothing ran, and the file."""
    folder = tmp_path_factory.mktemp("own")
    file = folder / "own.csv"
    file.write_text(WHOLE)
    done = holdfast("import", file, "--data", folder / "data", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"imported": dict.fromkeys(KINDS, 1), "skipped": []})
    return folder / "data", file


@pytest.fixture(scope="module")
def up(own: tuple[Path, Path]) -> Iterator[Up]:
    with running(own[0], "--pos", "127.0.0.1:0") as it:
        yield it


def counter(up: Up, terminal_id: str = "T0000009") -> Counter:
    """A terminal that was imported, signed on."""
    it = Counter.__new__(Counter)
    host, _, port = up.ready["pos"].partition(":")
    it.place = (host, int(port))
    it.terminal = StandardTerminal(terminal_id, MERCHANT_ROW["merchant_id"], bytes.fromhex(TMK))
    it.sign_on()
    return it


@pytest.fixture(scope="module")
def desk(up: Up) -> Counter:
    """The terminal of the whole file, the same in all tests: its trace numbers go on."""
    return counter(up)


def terminals(count: int) -> str:
    """Lines of so many terminals, M0000000 and on."""
    return "".join(line("terminal", **TERMINAL_ROW | {"terminal_id": f"M{n:07d}"}) for n in range(count))


def loaded(data: Path) -> int:
    """How many of these are in the tables of what runs; 0 while nothing can be asked."""

    async def counted() -> int:
        notice = notice_of(DataFolder(data, create=False))
        dsns = role_dsns(notice.database, Path(notice.keys))
        reader = await PostgresReader.connect(dsns.reader_acquirer, ACQUIRER)
        try:
            return sum(row.terminal_id.startswith("M") for row in await reader.select(TERMINALS, {}))
        finally:
            await reader.close()

    try:
        return asyncio.run(counted())
    except HoldfastError:
        return 0


def test_what_was_imported_serves(desk: Counter) -> None:
    assert desk.ask(desk.terminal.pre_auth(PAN, 60_00)).get(39) == "00"
    assert desk.ask(desk.terminal.pre_auth(PAN, 60_00)).get(39) == "51"
    assert desk.ask(desk.terminal.pre_auth("6210000000000029", 60_00)).get(39) == "43"


def test_the_same_file_again_changes_no_money(desk: Counter, own: tuple[Path, Path]) -> None:
    done = holdfast("import", own[1], "--data", own[0])
    assert (done.returncode, done.stderr) == (0, "")
    counted = "1 scheme, 1 merchant, 1 terminal, 1 issuer, 1 bin, 1 hot-card, 1 account"
    assert done.stdout == f"imported {counted} into {own[0]}\n"
    assert desk.ask(desk.terminal.pre_auth(PAN, 60_00)).get(39) == "51"


def test_a_terminal_whose_key_came_as_a_block_signs_on(up: Up, own: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = protection.make(own[0] / "keys", protection.AES)
    agreed = bytes(a ^ b for a, b in zip(one, other, strict=True))
    block = tr31.wrap(agreed, "D0000K0TB00N0000", bytes.fromhex(TMK))
    file = tmp_path / "blocks.csv"
    file.write_text(HEADER + line("terminal", **TERMINAL_ROW | {"terminal_id": "T0000020", "tmk": block}))
    done = holdfast("import", file, "--data", own[0])
    assert (done.returncode, done.stderr) == (0, "")
    counter(up, "T0000020")


# --- good and bad lines -------------------------------------------------------------------------------------------

NO_SUCH_MERCHANT = "there is no merchant {}: none in a good line of this file, and none was loaded before"
ELSEWHERE = {"issuer_id": "99040000", "address": "10.1.2.3:7000"}
MIXED = [
    ("terminal", TERMINAL_ROW | {"terminal_id": "T0000010"}, "", ""),
    ("terminal", TERMINAL_ROW | {"terminal_id": "T0000011", "tmk": "12"}, "tmk", "2 hex digits are no key of 16, 32"),
    (
        "terminal",
        TERMINAL_ROW | {"terminal_id": "T0000012", "merchant_id": "104290070110007"},
        "merchant_id",
        NO_SUCH_MERCHANT.format("104290070110007"),
    ),
    ("merchant", MERCHANT_ROW | {"merchant_id": "104290070110008", "mcc": "x"}, "mcc", "'x' is not a merchant categ"),
    (
        "terminal",
        TERMINAL_ROW | {"terminal_id": "T0000013", "merchant_id": "104290070110008"},
        "merchant_id",
        NO_SUCH_MERCHANT.format("104290070110008"),
    ),
    ("account", ACCOUNT_ROW | {"account_id": "ACC-9"}, "pan", "this card has an account already, which is called"),
    ("issuer", ISSUER_ROW | ELSEWHERE, "", ""),
    (
        "account",
        ACCOUNT_ROW | {"account_id": "A", "pan": "6210000000000037", "issuer_id": "99040000"},
        "issuer_id",
        "issuer 99040000 is at 10.1.2.3:7000: only one whose address is `here` has accounts",
    ),
    ("terminal", TERMINAL_ROW | {"terminal_id": "T0000014", "tmk": OTHERS_BLOCK}, "tmk", ""),
]
"""Lines of a file: the type, the cells, and for a bad one the column and what is said of it."""

BAD = [(number, column, says) for number, (*_, column, says) in enumerate(MIXED, 2) if column]
ONLY_THE_INSTALLATION_KNOWS = {4, 7, 9, 10}


def mixed(folder: Path, lines: set[int] | None = None) -> Path:
    """A file of these lines, or of those among them with such numbers; the others are empty."""
    file = folder / "mixed.csv"
    numbered = enumerate(MIXED, 2)
    texts = (line(kind, **cells) if lines is None or n in lines else "\n" for n, (kind, cells, *_) in numbered)
    file.write_text(HEADER + "".join(texts))
    return file


def test_nothing_is_loaded_while_anything_is_wrong(up: Up, own: tuple[Path, Path], tmp_path: Path) -> None:
    file = mixed(tmp_path)
    before = up.status()["logs"]
    done = holdfast("import", file, "--data", own[0], "--json")
    told = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert told[0] == f"holdfast: {file}: line 3, column 6 (tmk): 2 hex digits are no key of 16, 32 or 48"
    assert told[2].startswith(f"holdfast: {file}: line 5, column 4 (mcc): 'x' is not a merchant category of 4 digits")
    # At once what the file says and what only the installation knows; line 6 names a merchant that will be mended.
    assert [int(it.partition(": line ")[2].partition(",")[0]) for it in told] == [3, 4, 5, 7, 9, 10]
    assert told[-1].endswith("; nothing was loaded; --skip-bad loads all other lines")
    assert up.status()["logs"] == before


def test_what_only_the_installation_knows_is_told_before_anything_is_loaded(
    up: Up, own: tuple[Path, Path], tmp_path: Path
) -> None:
    file = mixed(tmp_path, ONLY_THE_INSTALLATION_KNOWS | {2, 8})
    before = up.status()["logs"]
    done = holdfast("import", file, "--data", own[0])
    told = done.stderr.splitlines()
    expected = [it for it in BAD if it[0] in ONLY_THE_INSTALLATION_KNOWS]
    assert (done.returncode, len(told)) == (2, len(expected))
    for it, (number, column, says) in zip(told, expected, strict=True):
        says = says.replace("a good line", "a line")
        assert f"line {number}, column {COLUMNS.index(column) + 1} ({column}): {says}" in it
    assert PAN not in done.stderr
    assert OTHERS_BLOCK not in done.stderr
    assert up.status()["logs"] == before


def test_the_good_lines_are_loaded_when_the_bad_ones_are_to_be_left_out(
    up: Up, own: tuple[Path, Path], tmp_path: Path
) -> None:
    file = mixed(tmp_path)
    done = holdfast("import", file, "--data", own[0], "--skip-bad", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["imported"]) == (0, {"terminal": 1, "issuer": 1})
    assert len(done.stderr.splitlines()) == len(told["skipped"])
    for it, (number, column, says) in zip(told["skipped"], BAD, strict=True):
        assert (it["line"], it["column"], it["name"]) == (number, COLUMNS.index(column) + 1, column)
        assert it["reason"].startswith(says)
    it = counter(up, "T0000010")
    assert it.ask(it.terminal.pre_auth(PAN, 10_00)).get(39) == "00"
    again = holdfast("import", file, "--data", own[0], "--skip-bad")
    assert again.stdout == f"imported 1 terminal, 1 issuer into {own[0]}; skipped {len(BAD)} bad lines\n"


def test_a_file_without_any_good_line_is_refused_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(HEADER + line("merchant") * 30)
    done = holdfast("import", file, "--data", tmp_path / "data", "--skip-bad")
    told = done.stderr.splitlines()
    assert (done.returncode, len(told)) == (2, PROBLEMS_SHOWN_MAX + 1)
    assert told[-1] == f"holdfast: {file}: and 70 more; nothing was loaded"
    assert not (tmp_path / "data").exists()


# --- large files --------------------------------------------------------------------------------------------------


def test_a_person_sees_how_far_it_is(up: Up, own: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text(HEADER + terminals(1200))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*HOLDFAST, "import", str(file), "--data", str(own[0])],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.stdout == f"imported 1,200 terminals into {own[0]}\n"
    assert "loading" in shown
    assert "/1200" in shown
    assert loaded(own[0]) == 1200


def test_an_import_that_was_killed_halfway_is_whole_after_the_next_one(tmp_path: Path) -> None:
    file, data, count = tmp_path / "many.csv", tmp_path / "data", 20_000
    file.write_text(HEADER + MERCHANT + terminals(count))
    command = [*HOLDFAST, "import", str(file), "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        until(lambda: loaded(data))
        some = loaded(data)
        killed.kill()
    assert (killed.returncode, 0 < some < count) == (-9, True), "it was done before it could be killed"
    done = holdfast("import", file, "--data", data)
    assert (done.returncode, done.stdout) == (0, f"imported 1 merchant, 20,000 terminals into {data}\n")
    with running(data, "--pos", "127.0.0.1:0") as up:
        assert loaded(data) == count
        counter(up, f"M{count - 1:07d}")
