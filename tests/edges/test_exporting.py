"""`holdfast register export`: every format read back with somebody else's reader and compared with `register list`."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from holdfast.reading import export_files
from holdfast.reading.export import DATE, DECIMAL, ENTRIES, INTEGER, REQUESTS, SCHEMAS, TEXT, TIME, Schema, markdown
from holdfast.reading.export_files import CELL_CHARS_MAX, harmless, without_mark
from holdfast.reading.views import EntryRow, RegisterRow
from tests.edges.test_register import Command, Lived, lived, typed

__all__ = ["lived", "typed"]

AMOUNTS = ("amount", "pre_auth_amount", "completed_amount", "refunded_amount")
BESIDE = {*(f"{name}_decimal" for name in AMOUNTS), "schema_version"}

OF_TEXT: dict[str, Callable[[str], Any]] = {
    TEXT: str,
    INTEGER: int,
    DECIMAL: Decimal,
    DATE: date.fromisoformat,
    TIME: time.fromisoformat,
}

MERCHANT = "104290070110001"
FORMULAS = (
    '=HYPERLINK("http://x","y")',
    "+86 27 1234",
    "-1",
    "@SUM(1)",
    " =1+1",
    "＝1+1",
    "#N/A",
    "'tis",
    '1,5;"a"\n=1',
)


# --- the columns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schema", "row"), [(REQUESTS, RegisterRow), (ENTRIES, EntryRow)])
def test_a_column_for_each_field_of_the_list_in_its_order(schema: Schema, row: Any) -> None:
    """Whoever changes the list changes the exports: then the schema gets a new version, and docs/export.md too."""
    assert [name for name in schema.names if name not in BESIDE] == list(row._fields)
    assert len(set(schema.names)) == len(schema.names)


def test_the_page_about_exports_holds_the_tables_of_columns(repository: Path) -> None:
    page = (repository / "docs" / "export.md").read_text(encoding="utf-8")
    for schema in SCHEMAS:
        heading = f"## {schema.name.capitalize()}, version {schema.version}\n"
        assert heading in page
        assert markdown(schema) in page.split(heading)[1].split("\n## ")[0], f"make it anew:\n{markdown(schema)}"


# --- round trips --------------------------------------------------------------------------------------------------


def read_csv(file: Path, schema: Schema) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in csv.DictReader(opened):
            yield {column.name: _of_text(column.kind, without_mark(row[column.name])) for column in schema.columns}


def _of_text(kind: str, text: str) -> Any:
    if text == "":
        return None
    return OF_TEXT[kind](text)


def read_parquet(file: Path, schema: Schema) -> Iterator[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(file)])
        assert found.description is not None
        names = [name for name, *_ in found.description]
        assert names == list(schema.names)
        yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())


def read_xlsx(file: Path, schema: Schema) -> Iterator[dict[str, Any]]:
    book = openpyxl.load_workbook(file)
    names, *rows = book[schema.name].iter_rows(values_only=True)
    assert list(names) == list(schema.names)
    for row in rows:
        said = dict(zip(map(str, names), row, strict=True))
        for column in schema.columns:
            if column.kind == DATE:
                said[column.name] = said[column.name].date()  # type: ignore[union-attr]
            elif column.kind == DECIMAL and said[column.name] is not None:
                said[column.name] = Decimal(str(said[column.name])).quantize(Decimal("0.01"))
        yield said
    book.close()


READERS = {"csv": read_csv, "parquet": read_parquet, "xlsx": read_xlsx}


def expected(row: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A row of `register list --json` as an export says it."""
    told: dict[str, Any] = {**row, "schema_version": schema.version}
    told["time"] = time.fromisoformat(row["time"])
    told |= {name: date.fromisoformat(row[name]) for name in ("date", "business_date") if name in row}
    for name in AMOUNTS:
        if name in row:
            told[f"{name}_decimal"] = None if row[name] is None else Decimal(row[name]) / 100
    if "facts" in row:
        told["facts"] = json.dumps(row["facts"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return told


@pytest.mark.parametrize("words", [[], ["--entries"], ["--kind", "completion"], ["--date", "2031-01-01"]])
@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_what_is_written_is_what_is_listed(
    lived: Lived, typed: Command, tmp_path: Path, form: str, words: list[str]
) -> None:
    schema = ENTRIES if "--entries" in words else REQUESTS
    file = tmp_path / f"register.{form}"
    written = typed("export", "--out", str(file), "--json", *words, *lived.options)
    assert (written.code, written.err) == (0, "")
    listed: list[Any] = typed("list", "--json", *words, *lived.options).lines
    assert list(READERS[form](file, schema)) == [expected(row, schema) for row in listed]
    (said,) = written.lines
    assert (said["rows"], said["bytes"], said["schema"]) == (len(listed), file.stat().st_size, schema.name)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_cards_are_masked_and_times_have_a_zone(lived: Lived, typed: Command, tmp_path: Path) -> None:
    file = tmp_path / "register.csv"
    typed("export", "--out", str(file), *lived.options)
    rows = list(read_csv(file, REQUESTS))
    assert len(rows) == 16
    assert all(re.fullmatch(r"[0-9]{6}\*{6,9}[0-9]{4}", row["card"]) for row in rows if row["card"])
    assert all(re.fullmatch(r"[0-9T:.-]{26}\+08:00", row["at"]) for row in rows)
    assert file.read_bytes().startswith(b"\xef\xbb\xbfentry,at,")
    assert "东湖宾馆" in file.read_text(encoding="utf-8")


def test_the_file_says_what_it_is(lived: Lived, typed: Command, tmp_path: Path) -> None:
    for form in ("parquet", "xlsx"):
        printed = typed("export", "--out", str(tmp_path / f"r.{form}"), "--merchant", MERCHANT, *lived.options)
        assert printed.code == 0
    with duckdb.connect() as connection:
        found = connection.execute("SELECT key, value FROM parquet_kv_metadata(?)", [str(tmp_path / "r.parquet")])
        told = {key.decode(): value.decode() for key, value in found.fetchall()}
    assert (told["schema"], told["schema_version"]) == ("holdfast register requests", "1")
    assert told["filters"] == f"merchant {MERCHANT}"
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    about = {str(row[0]): row[1] for row in book["about"].iter_rows(values_only=True)}
    assert (about["schema"], about["filters"]) == (told["schema"], told["filters"])
    assert about["amount"] == INTEGER
    assert book["requests"].freeze_panes == "A2"


def test_the_sums_are_those_of_the_rows(lived: Lived, typed: Command, tmp_path: Path) -> None:
    printed = typed("export", "--out", str(tmp_path / "r.csv"), "--json", *lived.options)
    totals: Any = printed.lines[0]["totals"]
    listed: list[Any] = typed("list", "--json", *lived.options).lines
    assert sum(each["rows"] for each in totals) == len(listed)
    for each in totals:
        alike = [row for row in listed if (row["kind"], row["outcome"]) == (each["kind"], each["state"])]
        assert (each["rows"], each["amount"]) == (len(alike), sum(row["amount"] for row in alike))
    shown = typed("export", "--out", str(tmp_path / "s.csv"), *lived.options).out
    assert re.search(r"completion +approved +[0-9]+ +[0-9]+\.[0-9]{2}", shown)
    assert "16 requests in " in shown


# --- what others wrote --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_becomes_a_formula(lived: Lived, typed: Command, tmp_path: Path, name: str) -> None:
    lived.spoil("UPDATE merchants SET name = $1 WHERE merchant_id = $2", name, MERCHANT)
    try:
        for form in ("csv", "xlsx"):
            printed = typed("export", "--out", str(tmp_path / f"r.{form}"), "--merchant", MERCHANT, *lived.options)
            assert printed.code == 0
    finally:
        lived.spoil("UPDATE merchants SET name = '东湖宾馆' WHERE merchant_id = $1", MERCHANT)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as opened:
        cells = {row["merchant_name"] for row in csv.DictReader(opened)}
    assert {cell.lstrip()[0] for cell in cells}.isdisjoint("=+-@＝＋－＠")
    assert {without_mark(cell) for cell in cells} == {name}
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["requests"]
    column = REQUESTS.names.index("merchant_name")
    named = [row[column] for row in sheet.iter_rows(min_row=2)]
    assert {(cell.data_type, cell.value) for cell in named} == {("s", name)}


@pytest.mark.parametrize("text", [*FORMULAS, "", " ", "东湖宾馆", "a=b", "''", "0012"])
def test_the_mark_in_front_can_be_taken_off(text: str) -> None:
    marked = harmless(text)
    assert isinstance(marked, str)
    assert without_mark(marked) == text
    assert marked.lstrip()[:1] not in {*"=+-@＝＋－＠"}


def test_control_characters_do_not_break_a_sheet(lived: Lived, typed: Command, tmp_path: Path) -> None:
    lived.spoil("UPDATE merchants SET name = $1 WHERE merchant_id = $2", "a\x07b\tc", MERCHANT)
    try:
        printed = typed("export", "--out", str(tmp_path / "r.xlsx"), "--merchant", MERCHANT, *lived.options)
    finally:
        lived.spoil("UPDATE merchants SET name = '东湖宾馆' WHERE merchant_id = $1", MERCHANT)
    assert printed.code == 0
    assert {row["merchant_name"] for row in read_xlsx(tmp_path / "r.xlsx", REQUESTS)} == {"a�b\tc"}


# --- whole or not at all ------------------------------------------------------------------------------------------


def refused(typed: Command, *words: str) -> str:
    printed = typed("export", *words)
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    return printed.err


def test_a_file_that_is_there_stays(lived: Lived, typed: Command, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("mine", encoding="utf-8")
    says = refused(typed, "--out", str(file), *lived.options)
    assert "is there already: name another file, or replace it with --force" in says
    assert file.read_text(encoding="utf-8") == "mine"
    assert typed("export", "--out", str(file), "--force", *lived.options).code == 0
    assert file.read_text(encoding="utf-8-sig").startswith("entry,")


def test_what_cannot_be_written_is_named(lived: Lived, typed: Command, tmp_path: Path) -> None:
    assert "is a folder: name a file in it" in refused(typed, "--out", str(tmp_path), "--format", "csv", *lived.options)
    assert "is no folder: make it first" in refused(typed, "--out", str(tmp_path / "no" / "r.csv"), *lived.options)
    assert "the ending of r.txt is not one of csv, parquet, xlsx" in refused(typed, "--out", str(tmp_path / "r.txt"))
    assert "--format 'pdf' is not one of" in refused(typed, "--out", str(tmp_path / "r.csv"), "--format", "pdf")
    assert list(tmp_path.iterdir()) == []


def short_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "SHEET_ROWS_MAX", 10)


def short_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "CELL_CHARS_MAX", 60)


@pytest.mark.parametrize(
    ("limit", "words", "says"),
    [
        (short_sheets, [], "a sheet of XLSX takes 9 rows and there are more: use --format parquet"),
        (short_cells, ["--entries"], "a cell of XLSX takes 60 letters"),
    ],
)
def test_what_a_sheet_cannot_hold_is_refused_and_nothing_is_left(
    lived: Lived,
    typed: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: Callable[[pytest.MonkeyPatch], None],
    words: list[str],
    says: str,
) -> None:
    assert CELL_CHARS_MAX == 32_767
    limit(monkeypatch)
    assert says in refused(typed, "--out", str(tmp_path / "r.xlsx"), *words, *lived.options)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_leaves_nothing(lived: Lived, typed: Command, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "xlsx"):
        away = ("--db", "postgresql://127.0.0.1:1/holdfast", *lived.options[2:])
        assert typed("export", "--out", str(tmp_path / f"r.{form}"), *away).code == 4
    assert list(tmp_path.iterdir()) == []
