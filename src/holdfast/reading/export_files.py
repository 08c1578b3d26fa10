"""The files of an export: CSV, Parquet and XLSX, each written row by row in bounded memory.

Rule 1: nothing that somebody else wrote (a merchant's name, a reason) may become a formula in a spreadsheet. In CSV
such a text gets an apostrophe in front, as does one that begins with an apostrophe, so that the mark can be taken off
again without doubt. In XLSX a text is a text by its type.
Rule 2: CSV begins with a byte order mark. Excel on a Chinese Windows takes a file without one for GBK, and 东湖宾馆 is
nonsense there; Python (`utf-8-sig`), DuckDB and pandas skip it.
Rule 3: what a format needs on its way lies beside the file, mode 0600, and is removed however the export ends.
"""

import csv
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from holdfast.errors import BadInput, Unreachable
from holdfast.reading.export import DATE, DECIMAL, INTEGER, TEXT, TIME, Schema, Values

FORMULA_BEGINS = frozenset("=+-@＝＋－＠'")
"""Excel in Chinese and Japanese takes the wide forms for signs too."""

SHEET_ROWS_MAX = 1_048_576
"""The rows of a sheet in XLSX, the header among them."""

CELL_CHARS_MAX = 32_767

PARQUET_TYPES = {TEXT: "VARCHAR", INTEGER: "BIGINT", DECIMAL: "DECIMAL(18,2)", DATE: "DATE", TIME: "TIME"}
PARQUET_MEMORY = "512MB"
PARQUET_THREADS = "2"


class Sink(Protocol):
    """A file that is being written."""

    def write(self, page: Sequence[Values]) -> None:
        """Some rows more; BadInput when the format cannot take them."""

    def finish(self) -> None:
        """All rows are there: make the file whole."""

    def close(self) -> None:
        """Give up whatever is open."""


# --- CSV ----------------------------------------------------------------------------------------------------------


class CsvSink:
    """Comma, quotes where needed, lines end as RFC 4180 has it. What is not known is empty."""

    def __init__(self, draft: Path, schema: Schema, about: Mapping[str, str]) -> None:
        self._file = draft.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(schema.names)

    def write(self, page: Sequence[Values]) -> None:
        """See `Sink.write`."""
        self._writer.writerows([harmless(value) for value in row] for row in page)

    def finish(self) -> None:
        """See `Sink.finish`."""
        self._file.close()

    def close(self) -> None:
        """See `Sink.close`."""
        self._file.close()


def harmless(value: str | int | None) -> str | int | None:
    """A text that no spreadsheet takes for a formula; `without_mark` is the way back."""
    if isinstance(value, str) and value.lstrip()[:1] in FORMULA_BEGINS:
        return f"'{value}"
    return value


def without_mark(text: str) -> str:
    """What stood there before `harmless`."""
    return text.removeprefix("'")


# --- Parquet ------------------------------------------------------------------------------------------------------


class ParquetSink:
    """Rows go into a file of JSON lines, and from there through DuckDB into Parquet with its types.

    DuckDB takes rows from Python one statement each, or as Arrow, which would be one more library of its size; a file
    it reads at full speed and in bounded memory.
    """

    def __init__(self, draft: Path, schema: Schema, about: Mapping[str, str]) -> None:
        self._draft = draft
        self._schema = schema
        self._about = about
        self._rows = draft.with_name(f"{draft.name}.rows")
        self._overflow = draft.with_name(f"{draft.name}.overflow")
        self._file: IO[bytes] = os.fdopen(os.open(self._rows, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, page: Sequence[Values]) -> None:
        """See `Sink.write`."""
        names = self._schema.names
        for row in page:
            self._file.write(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n")

    def finish(self) -> None:
        """See `Sink.finish`."""
        import duckdb

        self._file.close()
        settings: dict[str, str | bool | int | float | list[str]] = {
            # Nothing is fetched from anywhere: JSON and Parquet are in the wheel.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": PARQUET_MEMORY,
            "threads": PARQUET_THREADS,
            "temp_directory": str(self._overflow),
        }
        columns = {column.name: PARQUET_TYPES[column.kind] for column in self._schema.columns}
        try:
            with duckdb.connect(config=settings) as connection:
                rows = connection.read_json(str(self._rows), columns=columns, format="newline_delimited")
                connection.register("rows", rows)
                connection.execute(
                    f"COPY (FROM rows) TO {_literal(str(self._draft))} "
                    f"(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, KV_METADATA {{{_pairs(self._about)}}})"
                )
        except duckdb.Error as error:
            raise Unreachable(f"Parquet cannot be written: {' '.join(str(error).split())}") from error

    def close(self) -> None:
        """See `Sink.close`."""
        self._file.close()
        self._rows.unlink(missing_ok=True)
        shutil.rmtree(self._overflow, ignore_errors=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pairs(about: Mapping[str, str]) -> str:
    return ", ".join(f"{_literal(name)}: {_literal(value)}" for name, value in about.items())


# --- XLSX ---------------------------------------------------------------------------------------------------------


class XlsxSink:
    """One sheet of rows, one that says what they are. Money, dates and times are numbers that Excel can reckon with."""

    def __init__(self, draft: Path, schema: Schema, about: Mapping[str, str]) -> None:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell

        self._draft = draft
        self._book = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(schema.name)
        self._sheet.freeze_panes = "A2"
        self._cell: Callable[..., Any] = WriteOnlyCell
        self._kinds = [column.kind for column in schema.columns]
        self._names = schema.names
        self._rows = 1
        self._describe(schema, about)
        self._sheet.append(list(schema.names))

    def _describe(self, schema: Schema, about: Mapping[str, str]) -> None:
        sheet: Any = self._book.create_sheet("about")
        for name, value in about.items():
            sheet.append([name, self._text(value)])
        sheet.append([])
        sheet.append(["column", "kind", "says"])
        for column in schema.columns:
            sheet.append(list(column))

    def write(self, page: Sequence[Values]) -> None:
        """See `Sink.write`."""
        self._rows += len(page)
        if self._rows > SHEET_ROWS_MAX:
            raise BadInput(
                f"a sheet of XLSX takes {SHEET_ROWS_MAX - 1:,} rows and there are more: "
                "use --format parquet (or csv), or fewer of them by --date and the other filters"
            )
        for row in page:
            self._sheet.append([self._of(kind, value) for kind, value in zip(self._kinds, row, strict=True)])

    def _of(self, kind: str, value: str | int | None) -> Any:
        if value is None or kind == INTEGER:
            return value
        text = str(value)
        if kind == TEXT:
            return self._text(text)
        cell = self._cell(self._sheet, _NUMBERS[kind](text))
        cell.number_format = _FORMATS[kind]
        return cell

    def _text(self, text: str) -> Any:
        """A text, also where it looks like a formula, a number or an error."""
        if len(text) > CELL_CHARS_MAX:
            raise BadInput(
                f"a cell of XLSX takes {CELL_CHARS_MAX:,} letters and {text[:40]!r}… has {len(text):,}: "
                "use --format parquet (or csv)"
            )
        if text[:1] not in _READ_BY_EXCEL:
            return text.translate(_NO_CONTROLS)
        cell = self._cell(self._sheet, text.translate(_NO_CONTROLS))
        cell.data_type = "s"
        # So that it stays a text when somebody edits the cell.
        cell.quotePrefix = text[:1] in FORMULA_BEGINS
        return cell

    def finish(self) -> None:
        """See `Sink.finish`."""
        self._sheet.auto_filter.ref = f"A1:{_column_letters(len(self._names))}{self._rows}"
        self._book.save(self._draft)

    def close(self) -> None:
        """See `Sink.close`."""
        for sheet in self._book.worksheets:
            if not sheet.closed:
                sheet.close()


_NUMBERS: dict[str, Callable[[str], Any]] = {DECIMAL: Decimal, DATE: date.fromisoformat, TIME: time.fromisoformat}
_FORMATS = {DECIMAL: "#,##0.00", DATE: "yyyy-mm-dd", TIME: "hh:mm:ss"}
_READ_BY_EXCEL = FORMULA_BEGINS | {"#"}
"""`#N/A` would be an error, not a text."""

_NO_CONTROLS = {code: "�" for code in range(32) if chr(code) not in "\t\n\r"}
"""XML has no place for them."""


def _column_letters(number: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(number))


SINKS: dict[str, Callable[[Path, Schema, Mapping[str, str]], Sink]] = {
    "csv": CsvSink,
    "parquet": ParquetSink,
    "xlsx": XlsxSink,
}
