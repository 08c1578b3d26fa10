"""Reading an import file: every problem has its place, and what is right becomes rows of bounded commands."""

import asyncio
from pathlib import Path

import pytest
from psec import tr31

from holdfast.edges import importing
from holdfast.edges.import_file import read_rows
from holdfast.edges.import_rows import KINDS, REQUIRED, Row, together
from holdfast.edges.importing import ROWS_PER_COMMAND_MAX, for_acquirer, for_issuer, import_file, packed
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import DataFolder
from tests.own_file import (
    ACCOUNT_ROW,
    BIN_ROW,
    COLUMNS,
    HEADER,
    HOT_ROW,
    ISSUER_ROW,
    MERCHANT,
    MERCHANT_ROW,
    OTHERS_BLOCK,
    PAN,
    SCHEME,
    SCHEME_ROW,
    TERMINAL,
    TERMINAL_ROW,
    TMK,
    WHOLE,
    line,
)


def problems(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> list[tuple[int, int, str, str]]:
    """What is wrong with a file, by place."""
    file = tmp_path / "own.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sorted((it.line, it.column, it.name, it.reason) for it in read_rows(file, encoding).problems)


def refusal(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> str:
    """Why a file cannot be read at all, from its line on."""
    with pytest.raises(BadInput) as refused:
        problems(tmp_path, text, encoding)
    return str(refused.value).removeprefix(f"{tmp_path / 'own.csv'}: ").removeprefix(f"{tmp_path / 'own.csv'} ")


# --- whole files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gbk"), ("utf-8-sig", "gbk")]
)
def test_a_whole_file_in_either_encoding(tmp_path: Path, written: str, said: str) -> None:
    assert problems(tmp_path, WHOLE.encode(written), said) == []
    rows = read_rows(tmp_path / "own.csv", said).rows
    assert rows["merchant"][0][1]["name"] == "云海酒店"
    assert {kind: len(those) for kind, those in rows.items()} == dict.fromkeys(KINDS, 1)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_ends_of_lines_and_empty_cells_behind_the_last(tmp_path: Path, end: str) -> None:
    assert problems(tmp_path, (WHOLE.replace("\n", ",,\n") + "\n,,\n").replace("\n", end)) == []
    assert [number for number, _ in read_rows(tmp_path / "own.csv").rows["terminal"]] == [3]


def test_what_is_not_said_has_its_usual_value(tmp_path: Path) -> None:
    assert problems(tmp_path, "type,merchant_id,name,mcc\nmerchant,104290070110009,云海酒店,7011\n") == []
    ((number, merchant),) = read_rows(tmp_path / "own.csv").rows["merchant"]
    assert number == 2
    (told,) = for_acquirer({kind: [merchant] * (kind == "merchant") for kind in KINDS})["merchants"]
    assert told == {**MERCHANT_ROW, "name_en": "云海酒店", "pre_auth_right": True, "rules": ""}


def test_shorthands_and_rules_are_said_together(tmp_path: Path) -> None:
    merchant = line(
        "merchant", **MERCHANT_ROW, ceiling_percent="100", rules=" completions = several; ceiling_percent=100"
    )
    issuer = line("issuer", **ISSUER_ROW, validity_days="7", habits="approves_with=11;rest=kept", imk_ac=TMK)
    assert problems(tmp_path, HEADER + merchant + issuer + SCHEME) == []
    rows = {kind: [row for _, row in those] for kind, those in read_rows(tmp_path / "own.csv").rows.items()}
    assert together("merchant", rows["merchant"][0]) == {"ceiling_percent": 100, "completions": "several"}
    assert for_acquirer(rows)["merchants"][0]["rules"] == "ceiling_percent=100;completions=several"
    assert for_acquirer(rows)["schemes"] == [SCHEME_ROW]
    (link,) = for_issuer(rows)["links"]
    assert (link["habits"], link["imk_ac"]) == ("approves_with=11;rest=kept;validity_days=7", TMK)


def test_a_terminal_may_have_a_mac_of_its_own_and_be_told_something(tmp_path: Path) -> None:
    terminal = line("terminal", **TERMINAL_ROW | {"tmk": TMK[:16].lower()}, mac_algorithm="cmac", notice="1")
    assert problems(tmp_path, HEADER + terminal) == []
    ((_, row),) = read_rows(tmp_path / "own.csv").rows["terminal"]
    assert (row["tmk"], row["mac_algorithm"], row["notice"], row["enabled"]) == (TMK[:16], "cmac", "1", True)


def test_a_key_block_is_taken_as_it_is(tmp_path: Path) -> None:
    assert problems(tmp_path, HEADER + line("terminal", **TERMINAL_ROW | {"tmk": OTHERS_BLOCK})) == []
    ((_, row),) = read_rows(tmp_path / "own.csv").rows["terminal"]
    assert row["tmk"] == OTHERS_BLOCK


# --- what is wrong ------------------------------------------------------------------------------------------------

TOO_LONG_NAME = "长" * 101
PIN_KEY_BLOCK = tr31.wrap(bytes(range(32)), "D0000P0TB00N0000", bytes(range(16)))


@pytest.mark.parametrize(
    ("wrong", "name", "says"),
    [
        (line("merchant", **MERCHANT_ROW | {"mcc": "70x1"}), "mcc", "'70x1' is not a merchant category of 4 digits"),
        (line("merchant", **MERCHANT_ROW | {"name": ""}), "name", "is missing: every merchant has one"),
        (
            line("merchant", **MERCHANT_ROW | {"merchant_id": "1.0429E+14"}),
            "merchant_id",
            "'1.0429E+14' is not a merchant number of 15 digits or letters: a spreadsheet has made a number of it, "
            "format the column as text",
        ),
        (
            line("merchant", **MERCHANT_ROW | {"name": "A\0"}),
            "name",
            r"'A\x00' is not a printable name of at most 100 characters",
        ),
        (
            line("merchant", **MERCHANT_ROW | {"name": "\x1b[2J"}),
            "name",
            r"'\x1b[2J' is not a printable name of at most 100 characters",
        ),
        (
            line("merchant", **MERCHANT_ROW | {"name": TOO_LONG_NAME}),
            "name",
            "this is not a printable name of at most 100 characters",
        ),
        (line("merchant", **MERCHANT_ROW, terminal_id="T0000009"), "terminal_id", "a merchant has no terminal_id"),
        (line("merchant", **MERCHANT_ROW, rules="completions=many"), "rules", "rule completions is 'many': it may be"),
        (line("merchant", **MERCHANT_ROW, rules="colour=red"), "rules", "there is no rule 'colour'"),
        (line("merchant", **MERCHANT_ROW, rules="rest=issuer;rest=issuer"), "rules", "rest is said twice"),
        (line("merchant", **MERCHANT_ROW, rules="rest"), "rules", "rule rest is ''"),
        (line("merchant", **MERCHANT_ROW, ceiling_percent="99"), "ceiling_percent", "rule ceiling_percent is '99': it"),
        (
            line("merchant", **MERCHANT_ROW, validity_days="7", rules="validity_days=8"),
            "validity_days",
            "the column rules says validity_days=8: say it once",
        ),
        (line("scheme", **SCHEME_ROW | {"scheme": "Visa"}), "scheme", "'Visa' is not a scheme like CUP, VIS/7011"),
        (line("scheme", scheme="VIS"), "rules", "is missing: every scheme has one"),
        (line("terminal", **TERMINAL_ROW | {"terminal_id": "T009"}), "terminal_id", "'T009' is not a terminal number"),
        (
            line("terminal", **TERMINAL_ROW | {"tmk": TMK[:-1]}),
            "tmk",
            "31 hex digits are no key of 16, 32 or 48",
        ),
        (
            line("terminal", **TERMINAL_ROW | {"tmk": TMK[:4] + "O" + TMK[5:]}),
            "tmk",
            "this is no key in hex: character 5 is none of 0-9 and A-F",
        ),
        (line("terminal", **TERMINAL_ROW | {"tmk": TMK * 2}), "tmk", "key is neither 16, 32 or 48 hex digits nor a TR"),
        (
            line("terminal", **TERMINAL_ROW | {"tmk": PIN_KEY_BLOCK}),
            "tmk",
            "TR-31 block of version D: PIN encryption key (P0)",
        ),
        (line("terminal", **TERMINAL_ROW, mac_algorithm="md5"), "mac_algorithm", "'md5' is not one of ecb, x919"),
        (line("terminal", **TERMINAL_ROW, notice="10"), "notice", "'10' is not the digit that the header of an answer"),
        (
            line("issuer", **ISSUER_ROW | {"address": "there"}),
            "address",
            "'there' is neither `here` nor a host and a port",
        ),
        (line("issuer", **ISSUER_ROW | {"zone_pin": TMK[:16]}), "zone_pin", "16 hex digits are no key of 32"),
        (line("issuer", **ISSUER_ROW, imk_ac=TMK + TMK[:16]), "imk_ac", "48 hex digits are no key of 32"),
        (line("issuer", **ISSUER_ROW, habits="approves_with=99"), "habits", "habit approves_with is '99': it may be"),
        (line("bin", **BIN_ROW | {"prefix": "62100"}), "prefix", "'62100' is not 6 to 8 digits"),
        (line("bin", **BIN_ROW, scheme="unionpay"), "scheme", "'unionpay' is not a scheme of three capital letters"),
        (
            line("hot-card", **HOT_ROW | {"pan": "6210000000000028"}),
            "pan",
            "this is not a card number: its check digit is wrong",
        ),
        (line("hot-card", **HOT_ROW | {"pan": "621000"}), "pan", "this is not a card number of 12 to 19 digits"),
        (
            line("hot-card", **HOT_ROW | {"pan": "6,21E+15"}).replace("6,21E+15", '"6,21E+15"'),
            "pan",
            "this is not a card number of 12 to 19 digits: a spreadsheet has made a number of it",
        ),
        (line("hot-card", **HOT_ROW | {"reason": "gone"}), "reason", "'gone' is not one of lost, stolen"),
        (line("account", **ACCOUNT_ROW | {"expiry": "3013"}), "expiry", "'3013' is not an expiry YYMM"),
        (
            line("account", **ACCOUNT_ROW | {"available": "1e2"}),
            "available",
            "'1e2' is not money: write it",
        ),
        (line("merchants"), "type", "'merchants' is not one of scheme, merchant,"),
        (line("", **MERCHANT_ROW), "type", "'' is not one of scheme, merchant,"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, wrong: str, name: str, says: str) -> None:
    ((at_line, at_column, at_name, told),) = problems(tmp_path, HEADER + wrong)
    assert (at_line, at_column, at_name) == (2, COLUMNS.index(name) + 1, name)
    assert told.startswith(says)


def test_what_is_wrong_with_a_whole_line(tmp_path: Path) -> None:
    text = HEADER + 'merchant,"unclosed\n' + "terminal" + "," * len(COLUMNS) + "more\n" + MERCHANT
    unclosed, wide = problems(tmp_path, text)
    assert unclosed == (2, 0, "", "not CSV: a quote is opened and not closed in this line; a cell holds no line break")
    assert wide[:3] == (3, len(COLUMNS) + 1, "")
    assert wide[3].startswith(f"{len(COLUMNS) + 1} cells, the header has {len(COLUMNS)}: put a cell that holds a comma")
    assert [number for number, _ in read_rows(tmp_path / "own.csv").rows["merchant"]] == [4]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = HEADER + line("terminal", tmk="xyz") + line("account", pan=PAN, available="-1")
    assert [(number, name) for number, _, name, _ in problems(tmp_path, text)] == [
        (2, "merchant_id"),
        (2, "terminal_id"),
        (2, "tmk"),
        (3, "issuer_id"),
        (3, "account_id"),
        (3, "expiry"),
        (3, "available"),
    ]


def test_a_column_that_the_file_lacks_is_named_all_the_same(tmp_path: Path) -> None:
    assert problems(tmp_path, "type,merchant_id,name\nmerchant,104290070110009,A\n") == [
        (2, 0, "", "mcc is missing: every merchant has one")
    ]


def test_a_card_number_or_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    wrong = [
        *({**MERCHANT_ROW, column: PAN} for column in ("mcc", "ceiling_percent", "validity_days", "rules")),
        {**MERCHANT_ROW, "rules": f"completions={PAN}"},
        {**MERCHANT_ROW, "mcc": TMK, "rules": f"{TMK}=1;rest=issuer"},
    ]
    text = HEADER + "".join(line("merchant", **row) for row in wrong) + f"{PAN}\n"
    told = problems(tmp_path, text) + problems(tmp_path, f"type,{PAN}\n")
    assert len(told) >= len(wrong) + 3
    assert not any(PAN in says or TMK in says for *_, says in told)


def test_the_same_twice(tmp_path: Path) -> None:
    another = line("account", **ACCOUNT_ROW | {"account_id": "ACC-2"})
    assert problems(tmp_path, WHOLE + MERCHANT + another) == [
        (9, 2, "merchant_id", "this merchant stands in line 2 already"),
        (10, COLUMNS.index("pan") + 1, "pan", "this card stands in line 6 already"),
    ]


# --- files that are something else --------------------------------------------------------------------------------


def test_a_header_that_fits_nothing(tmp_path: Path) -> None:
    assert problems(tmp_path, "kind,merchant_id,merchant_id,colour,,name\nmerchant\n") == [
        (1, 0, "", "no column is named `type`: see `holdfast import --help`"),
        (1, 3, "merchant_id", "stands in the header twice: remove one"),
        (1, 4, "", "no type has a column 'colour': remove it, or see `holdfast import --help`"),
        (1, 5, "", "a column without a name: remove it, or see `holdfast import --help`"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: empty: the first line names the columns, see `holdfast import --help`"),
        ("\n" + WHOLE, "line 1: empty: the first line names the columns, see `holdfast import --help`"),
        (MERCHANT + TERMINAL, "line 1: a merchant, where the columns are named: put a line with their names before it"),
        (HEADER, "line 2: there is no row below the names of the columns"),
        (HEADER + ",,\n", "line 2: there is no row below the names of the columns"),
        (WHOLE.replace(",", ";"), "line 1: semicolons separate the cells: save the file with commas between them"),
        (WHOLE.replace(",", "\t"), "line 1: tabs separate the cells: save the file with commas between them"),
        ('type,"name\n', "line 1: not CSV: unexpected end of data"),
        (WHOLE.encode("utf-16"), "is UTF-16: save it as CSV in UTF-8"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet: save it as CSV in UTF-8"),
        (
            WHOLE.encode("gb18030"),
            "line 2, column 3 (name): not UTF-8; it looks like GBK: give --encoding gbk, or save the file as UTF-8",
        ),
        (WHOLE.encode() + b"hot-card,\xff\xff\n", "line 9, column 2 (merchant_id): not UTF-8: save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert refusal(tmp_path, text) == says


def test_an_encoding_that_is_not_the_files(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"type,name\nmerchant,\xff\xff\n", "gbk").startswith("line 2, column 2 (name): not GBK")
    assert refusal(tmp_path, WHOLE, "latin-1") == "--encoding 'latin-1' is not one of utf-8, gbk, gb18030"
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_rows(tmp_path / "none.csv")


# --- commands -----------------------------------------------------------------------------------------------------


def test_many_rows_become_commands_of_a_bounded_size_in_the_same_order() -> None:
    rows = {"merchants": [{"n": n} for n in range(3)], "bins": [], "terminals": [{"n": n} for n in range(3, 1200)]}
    commands = list(packed(rows))
    assert [list(command) for command in commands] == [["merchants", "terminals"], ["terminals"], ["terminals"]]
    assert [sum(map(len, command.values())) for command in commands] == [500, 500, 200]
    assert ROWS_PER_COMMAND_MAX == 500
    assert [row["n"] for command in commands for those in command.values() for row in those] == list(range(1200))
    assert list(packed({"bins": []})) == []


def test_the_help_names_every_column_and_stars_those_that_must_be_there() -> None:
    lines = (line.split() for line in (import_file.__doc__ or "").splitlines())
    assert {words[0]: words[1:] for words in lines if words and words[0] in KINDS} == {
        kind: [f"{name}*" if column.default is REQUIRED else name for name, column in columns.items()]
        for kind, columns in KINDS.items()
    }


def test_where_it_ended_is_told_when_a_door_closes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[dict[str, list[Row]]] = []

    async def door(folder: DataFolder, command: str, arguments: dict[str, list[Row]], actor: str) -> None:
        if len(taken) == 2:
            raise Unreachable("nobody answers")
        taken.append(arguments)

    monkeypatch.setattr(importing, "tell_acquirer", door)
    file = tmp_path / "own.csv"
    file.write_text(HEADER + "".join(line("bin", **BIN_ROW | {"prefix": f"{n}"}) for n in range(621000, 622200)))
    rows = {kind: [row for _, row in those] for kind, those in read_rows(file).rows.items()}
    loading = importing.Loading(DataFolder(tmp_path / "data"), "", tmp_path, file, False)
    with pytest.raises(Unreachable) as ended:
        asyncio.run(loading.tell_all(rows, importing.bar_of(1200)))
    assert str(ended.value) == ("nobody answers; 1,000 of 1,200 rows are loaded: the same command again loads the rest")
