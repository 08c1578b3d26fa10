"""An import file as it lies on the disk: its rows by type, and all that is wrong with it, each with its place.

Rule 1: a line of the file is a row; no cell holds a line break, so that one unclosed quote spoils one line.
Rule 2: reading guesses nothing: another encoding or another separator is named, and what to do about it.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.edges.import_rows import KINDS, REQUIRED, UNIQUE, Column, Row, contradictions, shown
from holdfast.errors import BadInput

FILE_BYTES_MAX = 32 * 1024 * 1024
TYPE = "type"

ENCODINGS = {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb18030": "gb18030"}
"""What `--encoding` may say; GB18030 holds all that GBK does."""

_OTHER_FILES = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a spreadsheet",
    b"\xd0\xcf": "a spreadsheet",
}
_UTF8_MARK = b"\xef\xbb\xbf"


class Problem(NamedTuple):
    """What is wrong, and where; `column` counts from 1 and is 0, without a name, where the whole line is meant."""

    line: int
    column: int
    name: str
    reason: str


class Content(NamedTuple):
    """What a file says: the rows of each type, each with its line, and what is wrong with it.

    A row that lacks something is among them as far as it could be read. `columns` are the places of the names.
    """

    rows: dict[str, list[tuple[int, Row]]]
    columns: dict[str, int]
    problems: list[Problem]

    def problem(self, line: int, name: str, reason: str) -> Problem:
        """Something wrong in that column; in the whole line where the file has no such column."""
        return Problem(line, self.columns.get(name, 0), name if name in self.columns else "", reason)

    def without(self, problems: Sequence[Problem]) -> "Content":
        """The same without the lines that these are about, and without any problem."""
        bad = {problem.line for problem in problems}
        rows = {kind: [it for it in numbered if it[0] not in bad] for kind, numbered in self.rows.items()}
        return Content(rows, self.columns, [])


class _Layout(NamedTuple):
    """Where the cells of one type stand in a line, and where cells stand that it does not have."""

    cells: tuple[tuple[str, int, Column], ...]
    others: tuple[tuple[str, int], ...]


def read_rows(file: Path, encoding: str = "utf-8") -> Content:
    """What the file says. BadInput when it cannot be read at all, or its first line does not name the columns."""
    header, *lines = _text_of(file, encoding).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    content = Content({kind: [] for kind in KINDS}, {}, [])
    names = _names_of(file, header)
    content.problems.extend(_problems_of_header(names))
    if content.problems:
        return content
    content.columns.update({name: at for at, name in enumerate(names, 1)})
    layouts = {kind: _layout(kind, content.columns) for kind in KINDS}
    for number, line in enumerate(lines, 2):
        if line.strip(", \t"):
            _take_line(content, layouts, number, line)
    if not content.problems and not any(content.rows.values()):
        raise BadInput(f"{file}: line 2: there is no row below the names of the columns")
    content.problems.extend(_repeated(content))
    return content


# --- bytes and text -----------------------------------------------------------------------------------------------


def _text_of(file: Path, encoding: str) -> str:
    if encoding.lower() not in ENCODINGS:
        raise BadInput(f"--encoding {encoding!r} is not one of {', '.join(ENCODINGS)}")
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadInput(f"{file} has over {FILE_BYTES_MAX >> 20} MiB: split it")
        raw = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    for mark, what in _OTHER_FILES.items():
        if raw.startswith(mark):
            raise BadInput(f"{file} is {what}: save it as CSV in UTF-8")
    if raw.startswith(_UTF8_MARK):
        encoding = "utf-8"  # The file says so itself.
    try:
        return raw.decode(ENCODINGS[encoding.lower()])
    except UnicodeDecodeError as error:
        raise BadInput(_undecodable(file, raw, error.start, encoding)) from None


def _undecodable(file: Path, raw: bytes, at: int, encoding: str) -> str:
    before = raw[:at].decode("ascii", "replace").split("\n")
    names, cells = (next(csv.reader([text.strip("\r") or '""'])) for text in (before[0], before[-1]))
    named = names[len(cells) - 1].strip() if len(before) > 1 and len(cells) <= len(names) else ""
    where = place(file, Problem(len(before), len(cells), named, ""))
    if encoding.lower() == "utf-8" and _decodes(raw, "gb18030"):
        return f"{where}: not UTF-8; it looks like GBK: give --encoding gbk, or save the file as UTF-8"
    return f"{where}: not {encoding.upper()}: save the file as UTF-8"


def _decodes(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def place(file: Path, problem: Problem) -> str:
    """Where a problem is: `own.csv: line 2, column 4 (mcc)`."""
    named = f" ({problem.name})" if problem.name else ""
    return f"{file}: line {problem.line}" + (f", column {problem.column}{named}" if problem.column else "")


# --- the header ---------------------------------------------------------------------------------------------------


def _names_of(file: Path, header: str) -> list[str]:
    """The names of the columns; BadInput when the first line is something else altogether."""
    where = f"{file}: line 1"
    if not header.strip(", \t"):
        raise BadInput(f"{where}: empty: the first line names the columns, see `holdfast import --help`")
    for separator, called in ((";", "semicolons"), ("\t", "tabs")):
        if "," not in header and separator in header:
            raise BadInput(f"{where}: {called} separate the cells: save the file with commas between them")
    try:
        names = _cells(header)
    except csv.Error as error:
        raise BadInput(f"{where}: not CSV: {error}") from None
    if names[0] in KINDS:
        raise BadInput(f"{where}: a {names[0]}, where the columns are named: put a line with their names before it")
    return names


def _problems_of_header(names: Sequence[str]) -> Iterator[Problem]:
    known = {TYPE}.union(*KINDS.values())
    if TYPE not in names:
        yield Problem(1, 0, "", f"no column is named `{TYPE}`: see `holdfast import --help`")
    for at, name in enumerate(names, 1):
        if name not in known:
            says = f"no type has a column {shown(name)}" if name else "a column without a name"
            yield Problem(1, at, "", f"{says}: remove it, or see `holdfast import --help`")
        elif name in names[: at - 1]:
            yield Problem(1, at, name, "stands in the header twice: remove one")


def _layout(kind: str, columns: Mapping[str, int]) -> _Layout:
    own = KINDS[kind]
    # A column that the file lacks reads the empty cell behind the last one.
    cells = tuple((name, columns.get(name, len(columns) + 1) - 1, column) for name, column in own.items())
    others = tuple((name, at - 1) for name, at in columns.items() if name not in own and name != TYPE)
    return _Layout(cells, others)


# --- lines --------------------------------------------------------------------------------------------------------


def _cells(line: str) -> list[str]:
    """The cells of a line, without the empty ones that spreadsheets put behind the last."""
    cells = [cell.strip() for cell in next(csv.reader((line,), strict=True))]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _take_line(content: Content, layouts: Mapping[str, _Layout], number: int, line: str) -> None:
    problems, width = content.problems, len(content.columns)
    try:
        cells = _cells(line)
    except csv.Error as error:
        problems.append(Problem(number, 0, "", f"not CSV: {_why(error)}"))
        return
    if len(cells) > width:
        says = f"{len(cells)} cells, the header has {width}: put a cell that holds a comma in quotes"
        problems.append(Problem(number, width + 1, "", says))
        return
    cells += [""] * (width + 1 - len(cells))
    kind = cells[content.columns[TYPE] - 1]
    if kind not in KINDS:
        problems.append(content.problem(number, TYPE, f"{shown(kind)} is not one of {', '.join(KINDS)}"))
        return
    row: Row = {}
    for name, at, column in layouts[kind].cells:
        try:
            row[name] = column.parse(cells[at]) if cells[at] else _when_empty(kind, column)
        except BadInput as error:
            problems.append(content.problem(number, name, _said_of(name, error, content)))
    for name, at in layouts[kind].others:
        if cells[at]:
            problems.append(content.problem(number, name, f"a {kind} has no {name}: leave it empty"))
    problems.extend(content.problem(number, name, reason) for name, reason in contradictions(kind, row))
    content.rows[kind].append((number, row))


def _why(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "a quote is opened and not closed in this line; a cell holds no line break"
    return str(error)


def _when_empty(kind: str, column: Column) -> object:
    if column.default is REQUIRED:
        raise BadInput(f"is missing: every {kind} has one")
    return column.default


def _said_of(name: str, error: BadInput, content: Content) -> str:
    """What is wrong with a cell; where the file has no such column, its name is in the sentence."""
    return str(error) if name in content.columns else f"{name} {error}"


def _repeated(content: Content) -> Iterator[Problem]:
    for kind, names in UNIQUE.items():
        for name in names:
            first: dict[str, int] = {}
            for line, row in content.rows[kind]:
                if name in row and first.setdefault(row[name], line) != line:
                    called = "card" if name == "pan" else kind
                    yield content.problem(line, name, f"this {called} stands in line {first[row[name]]} already")
