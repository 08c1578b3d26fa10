"""`holdfast import`: every problem has its place, nothing is loaded while there is one, and what is loaded works."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.edges.import_rows import KINDS, read_rows
from holdfast.errors import BadInput
from tests.running import Counter, Up, holdfast, running
from tests.standard_terminal import StandardTerminal

TMK = "00112233445566778899AABBCCDDEEFF"
HEADER = (
    "type,merchant_id,name,mcc,terminal_id,tmk,issuer_id,address,zone_mac,zone_pin,prefix,pan,reason,"
    "account_id,expiry,available\n"
)
MERCHANT = "merchant,104290070110009,云海酒店,7011,,,,,,,,,,,,\n"
TERMINAL = f"terminal,104290070110009,,,T0000009,{TMK},,,,,,,,,,\n"
ISSUER = f"issuer,,远洋银行,,,,99030000,here,{TMK},{TMK},,,,,,\n"
BIN = "bin,,,,,,99030000,,,,621000,,,,,\n"
PAN = "6210000000000011"
ACCOUNT = f"account,,,,,,99030000,,,,,{PAN},,ACC-1,3012,100.00\n"
HOT = "hot-card,,,,,,,,,,,6210000000000029,stolen,,,\n"
WHOLE = HEADER + MERCHANT + TERMINAL + ISSUER + BIN + ACCOUNT + HOT


def problems(tmp_path: Path, text: str | bytes) -> list[tuple[int, int, str]]:
    """What is wrong with a file, by place."""
    file = tmp_path / "own.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sorted((problem.line, problem.column, problem.says) for problem in read_rows(file).problems)


def test_a_whole_file_in_either_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        assert problems(tmp_path, WHOLE.encode(encoding)) == []
        rows = read_rows(tmp_path / "own.csv").rows
        assert rows["merchant"][0][1]["name"] == "云海酒店"
        assert {kind: len(those) for kind, those in rows.items()} == dict.fromkeys(KINDS, 1)


def test_what_is_not_said_has_its_usual_value(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE.replace("\n", "\r\n") + "\r\n,,\r\n") == []
    ((line, merchant),) = read_rows(tmp_path / "own.csv").rows["merchant"]
    assert (line, merchant["ceiling_percent"], merchant["validity_days"], merchant["pre_auth_right"]) == (
        2,
        115,
        30,
        True,
    )


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        (MERCHANT.replace("7011", "70x1"), 4, "mcc: '70x1' is not a merchant category of 4 digits"),
        (MERCHANT.replace("云海酒店", ""), 3, "name is missing"),
        (MERCHANT.replace("云海", "A\0"), 3, r"name: 'A\x00酒店' is not a printable name of at most 100 characters"),
        (
            MERCHANT.replace("云海", "\x1b[2J"),
            3,
            r"name: '\x1b[2J酒店' is not a printable name of at most 100 characters",
        ),
        (MERCHANT.replace(",,,,,,,,,,,,\n", ",T0000009,,,,,,,,,,,\n"), 5, "a merchant has no terminal_id"),
        (TERMINAL.replace(TMK, TMK[:-1]), 6, "tmk: this is not a key of 16 bytes in hex"),
        (ISSUER.replace("here", "there"), 8, "address: 'there' is neither `here` nor a host and a port"),
        (BIN.replace("621000", "62100"), 11, "prefix: '62100' is not 6 to 8 digits"),
        (HOT.replace("0029", "0028"), 12, "pan: this is not a card number"),
        (HOT.replace("stolen", "gone"), 13, "reason: 'gone' is not one of lost, stolen"),
        (ACCOUNT.replace("3012", "3013"), 15, "expiry: '3013' is not an expiry YYMM"),
        (ACCOUNT.replace("100.00", "1e2"), 16, "available: '1e2' is not money"),
        ("merchants,,,,,,,,,,,,,,,\n", 1, "type 'merchants' is not one of merchant,"),
        (BIN.rstrip("\n") + ",more\n", 17, "more cells than the header's 16"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, line: str, column: int, says: str) -> None:
    ((at_line, at_column, told),) = problems(tmp_path, HEADER + line)
    assert (at_line, at_column) == (2, column)
    assert told.startswith(says)


def test_a_card_number_or_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    text = f"type,merchant_id,name,mcc\nmerchant,{PAN},{PAN},{TMK}\n{PAN},,,\n"
    told = problems(tmp_path, text) + problems(tmp_path, f"type,{PAN}\n")
    assert len(told) >= 4
    assert not any(PAN in says or TMK in says for _, _, says in told)


def test_a_header_that_fits_nothing(tmp_path: Path) -> None:
    assert [problem[:2] for problem in problems(tmp_path, "kind,merchant_id,merchant_id\n")] == [(1, 0), (1, 3)]
    assert problems(tmp_path, "")[0][:2] == (1, 0)


def test_the_same_row_twice(tmp_path: Path) -> None:
    ((line, column, says),) = problems(tmp_path, WHOLE + MERCHANT)
    assert (line, column, says) == (8, 2, "this merchant stands in line 2 already")


def test_a_file_that_is_no_csv(tmp_path: Path) -> None:
    assert problems(tmp_path, HEADER + 'merchant,"unclosed\n')[0][2].startswith("not CSV")
    with pytest.raises(BadInput, match="neither UTF-8"):
        problems(tmp_path, b"type\n\xff\xff\xff")
    with pytest.raises(BadInput, match="cannot be read"):
        read_rows(tmp_path / "none.csv")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder into which a whole file was imported while nothing ran, and the file."""
    folder = tmp_path_factory.mktemp("own")
    file = folder / "own.csv"
    file.write_text(WHOLE)
    done = holdfast("import", file, "--data", folder / "data", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"imported": dict.fromkeys(KINDS, 1)})
    return folder / "data", file


@pytest.fixture(scope="module")
def up(own: tuple[Path, Path]) -> Iterator[Up]:
    with running(own[0], "--pos", "127.0.0.1:0") as it:
        yield it


def test_what_was_imported_serves(up: Up) -> None:
    counter = Counter.__new__(Counter)
    host, _, port = up.ready["pos"].partition(":")
    counter.place = (host, int(port))
    counter.terminal = StandardTerminal("T0000009", "104290070110009", bytes.fromhex(TMK))
    counter.sign_on()
    assert counter.ask(counter.terminal.pre_auth(PAN, 60_00)).get(39) == "00"
    assert counter.ask(counter.terminal.pre_auth(PAN, 60_00)).get(39) == "51"
    assert counter.ask(counter.terminal.pre_auth("6210000000000029", 60_00)).get(39) == "43"


def test_the_same_file_again_changes_no_money(up: Up, own: tuple[Path, Path]) -> None:
    done = holdfast("import", own[1], "--data", own[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("imported 1 merchant, 1 terminal, 1 issuer, 1 bin, 1 hot-card, 1 account into /")


def test_nothing_is_loaded_while_anything_is_wrong(up: Up, own: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    dangling = TERMINAL.replace("0009,,", "0007,,").replace("T0000009", "T0000008")
    file.write_text(HEADER + MERCHANT.replace("0009", "0008") + dangling)
    before = up.status()["logs"]
    done = holdfast("import", file, "--data", own[0])
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"holdfast: {file}: line 3, column 2: terminal names merchant 104290070110007, which is neither here "
        "nor loaded before; nothing was loaded"
    ]
    assert up.status()["logs"] == before


def test_the_issuers_no_leaves_the_acquirer_as_it_was(up: Up, own: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "taken.csv"
    file.write_text(HEADER + MERCHANT.replace("0009", "0006") + ACCOUNT.replace("ACC-1", "ACC-2"))
    before = {row["log"]: row["entries"] for row in up.status()["logs"]}
    done = holdfast("import", file, "--data", own[0])
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "has an account already" in done.stderr
    assert PAN not in done.stderr
    assert {row["log"]: row["entries"] for row in up.status()["logs"]} == before
