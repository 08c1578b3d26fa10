"""`holdfast import FILE.csv`: own schemes, merchants, terminals, issuers, BINs, hot list and accounts.

Rule 1: everything wrong with a file is told, one line each with its line and column, and nothing is loaded; with
`--skip-bad` what is wrong is left out, still told, and the rest is loaded.
Rule 2: what is right goes through the doors of the processes, like every change, in commands so small that no terminal
waits long behind one; the same file may be imported again, also after it was interrupted.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.domain.records import ISSUERS, MERCHANTS
from holdfast.domain.rules import canonical
from holdfast.edges.doors import OutcomeUnknown, tell_acquirer, tell_issuer
from holdfast.edges.import_file import Content, Problem, place, read_rows
from holdfast.edges.import_rows import KEYS, REFERENCES, Row, is_block, together
from holdfast.edges.output import print_json
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path
from holdfast.edges.up import tell
from holdfast.errors import BadInput, KeyRefused, Unreachable
from holdfast.keys import protection
from holdfast.keys.keyblock import clear_key_of
from holdfast.runtime.config import ACQUIRER, HERE, Address, notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.listeners import bind_listeners
from holdfast.runtime.logs import open_log
from holdfast.runtime.supervise import Plan, Supervisor
from holdfast.store.postgres_reader import PostgresReader

EXIT_UNKNOWN = 3
PROBLEMS_SHOWN_MAX = 20

ROWS_PER_COMMAND_MAX = 500
"""One commit: a terminal's request that comes meanwhile waits some tens of milliseconds, not seconds."""


class Loaded(NamedTuple):
    """What became of a file: how many rows of each type are loaded, and what was left out."""

    counts: dict[str, int]
    skipped: list[Problem]


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with a header line.", metavar="FILE.csv")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines out and load the others.")] = False,
    encoding: Annotated[
        str, typer.Option("--encoding", help="utf-8, or gbk, which spreadsheets write where Chinese is spoken.")
    ] = "utf-8",
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Load own merchants, terminals, issuers, BINs, hot list and accounts from a CSV file.

    The column `type` says what each line is; the other columns, in any order, may be left empty where they do not
    belong to it. A star marks what must be there.

    \b
    scheme    scheme* rules*
    merchant  merchant_id* name* name_en mcc* pre_auth_right ceiling_percent validity_days rules
    terminal  terminal_id* merchant_id* tmk* enabled mac_algorithm notice
    issuer    issuer_id* name* address* zone_mac* zone_pin* imk_ac validity_days over_hold habits
    bin       prefix* issuer_id* scheme kind
    hot-card  pan* reason*
    account   account_id* issuer_id* pan* expiry* kind status pin frozen_percent available*

    Keys are 32 hex digits (a tmk may have 16 or 48) or TR-31 blocks; rules and habits are like
    `ceiling_percent=100;completions=several`. An issuer's address is host:port, or `here` for the one that `holdfast
    up` runs (only it has accounts). When anything is wrong, every problem is told with line and column and nothing is
    loaded; with --skip-bad all but the bad lines. The same file may be imported again. It holds keys in clear: delete
    it afterwards.
    """
    content = read_rows(file, encoding)
    path = data_path(data)
    unmade = not path.exists()
    if not any(content.rows.values()) or (content.problems and unmade):
        # No installation is made for a file that is not loaded: nothing but the file itself is known then.
        _judged(file, content, [*content.problems, *dangling(content, {}, skip_bad)], skip_bad)
    if unmade:
        tell(f"{path} is not there yet: a new installation is made in it")
    folder = DataFolder(path)
    loading = Loading(folder, db, folder.keys if keys is None else keys, file, skip_bad)
    try:
        loaded = asyncio.run(loading.load(content))
    except OutcomeUnknown as error:
        sys.stderr.write(f"holdfast: {error}\n")
        raise typer.Exit(EXIT_UNKNOWN) from error
    except Unreachable:
        # What is wrong with the file itself is wrong wherever it goes.
        _judged(file, content, [] if skip_bad else content.problems, skip_bad)
        raise
    _report(file, loaded, folder.path, json)


# --- what is told -------------------------------------------------------------------------------------------------


def _judged(file: Path, content: Content, problems: Sequence[Problem], skip_bad: bool) -> list[Problem]:
    """The problems, when the file may be loaded without the lines that have them; else BadInput, after telling all."""
    if not problems:
        return []
    if skip_bad and any(content.without(problems).rows.values()):
        return list(problems)
    lines = list(_told(file, problems))
    for line in lines[:-1]:
        tell(line)
    advice = "; --skip-bad loads all other lines" if any(content.without(problems).rows.values()) else ""
    raise BadInput(f"{lines[-1]}; nothing was loaded{advice}")


def _told(file: Path, problems: Sequence[Problem]) -> Iterator[str]:
    """A line for each problem, in the order of the file, as many as a person reads."""
    for problem in sorted(problems)[:PROBLEMS_SHOWN_MAX]:
        yield f"{place(file, problem)}: {problem.reason}"
    if len(problems) > PROBLEMS_SHOWN_MAX:
        yield f"{file}: and {len(problems) - PROBLEMS_SHOWN_MAX} more"


def _report(file: Path, loaded: Loaded, path: Path, json: bool) -> None:
    for line in _told(file, loaded.skipped):
        tell(line)
    if json:
        print_json({"imported": loaded.counts, "skipped": [it._asdict() for it in sorted(loaded.skipped)]})
        return
    counted = ", ".join(f"{n:,} {kind}{'s' if n != 1 else ''}" for kind, n in loaded.counts.items())
    lines = len({problem.line for problem in loaded.skipped})
    skipped = f"; skipped {lines:,} bad line{'s' if lines != 1 else ''}" if lines else ""
    print(f"imported {counted} into {path}{skipped}")


# --- loading ------------------------------------------------------------------------------------------------------


class Loading(NamedTuple):
    """One file on its way into an installation."""

    folder: DataFolder
    db: str
    keys: Path
    file: Path
    skip_bad: bool

    async def load(self, content: Content) -> Loaded:
        """Through the doors of what runs; where nothing does, it is started for as long as this takes."""
        try:
            notice = notice_of(self.folder)
        except Unreachable:
            return await self._load_alone(content)
        keys = Path(notice.keys)
        return await self._load_into(role_dsns(notice.database, keys).reader_acquirer, keys, content)

    async def _load_alone(self, content: Content) -> Loaded:
        with self.folder.lock("import"):
            # Nobody is told of this port, and it is gone in a moment.
            listeners = bind_listeners(Address("127.0.0.1", 0), 1, may_move=False)
            log = open_log(self.folder.logs / "up.log", "import")
            supervisor = Supervisor(Plan(self.folder, self.keys, self.db, 1), listeners, log, tell)
            try:
                dsns = await supervisor.start()
                await supervisor.wait_for_doors()
                return await self._load_into(dsns.reader_acquirer, self.keys, content)
            finally:
                await supervisor.stop()

    async def _load_into(self, reader_dsn: str, keys: Path, content: Content) -> Loaded:
        loaded_before = await known_in(reader_dsn)
        problems = [
            *content.problems,
            *unopened(keys, content),
            *dangling(content, loaded_before, self.skip_bad),
            *await self._taken(content),
        ]
        bad = _judged(self.file, content, problems, self.skip_bad)
        good = content.without(bad)
        rows = {kind: [row for _, row in numbered] for kind, numbered in good.rows.items()}
        with bar_of(sum(map(len, rows.values()))) as bar:
            await self.tell_all(rows, bar)
        return Loaded({kind: len(those) for kind, those in rows.items() if those}, bad)

    async def _taken(self, content: Content) -> list[Problem]:
        """Accounts whose card has an account already, which is another one."""
        numbered = [it for it in content.rows["account"] if {"account_id", "pan"} <= it[1].keys()]
        problems = []
        for at in range(0, len(numbered), ROWS_PER_COMMAND_MAX):
            asked = numbered[at : at + ROWS_PER_COMMAND_MAX]
            cards = [{name: row[name] for name in ("account_id", "pan")} for _, row in asked]
            answer = await tell_issuer(self.folder, "taken-cards", {"accounts": cards}, "import")
            taken = set(answer["taken"])
            says = "this card has an account already, which is called otherwise"
            problems += [content.problem(line, "pan", says) for line, row in asked if row["account_id"] in taken]
        return problems

    async def tell_all(self, rows: Mapping[str, Sequence[Row]], bar: Progress) -> None:
        """Every row, what others name before what names it. The issuer first: it alone may refuse."""
        (task,) = bar.tasks
        try:
            for command in packed(for_issuer(rows)):
                await tell_issuer(self.folder, "open-accounts", command, "import")
                bar.advance(task.id, len(command.get("accounts", ())))
            for command in packed(for_acquirer(rows)):
                await tell_acquirer(self.folder, "import", command, "import")
                bar.advance(task.id, sum(map(len, command.values())))
        except Unreachable as error:
            done = f"{task.completed:,.0f} of {task.total:,.0f} rows are loaded"
            raise Unreachable(f"{error}; {done}: the same command again loads the rest") from error


def bar_of(rows: int) -> Progress:
    """How many rows are loaded: shown only where somebody watches, and gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    bar.add_task("loading", total=rows)
    return bar


def packed(arguments: Mapping[str, Sequence[Row]]) -> Iterator[dict[str, list[Row]]]:
    """The rows of one command as several, in the same order, none with more than ROWS_PER_COMMAND_MAX rows."""
    command: dict[str, list[Row]] = {}
    room = ROWS_PER_COMMAND_MAX
    for name, rows in arguments.items():
        at = 0
        while at < len(rows):
            command[name] = list(rows[at : at + room])
            at += len(command[name])
            room -= len(command[name])
            if not room:
                yield command
                command, room = {}, ROWS_PER_COMMAND_MAX
    if command:
        yield command


def unopened(keys: Path, content: Content) -> Iterator[Problem]:
    """Key blocks that do not hold under the key-block protection key of the installation."""
    # Read once for all blocks; the party that takes them in keeps it likewise.
    protection_key = cache(partial(protection.read, keys))
    for (kind, name), purpose in KEYS.items():
        for line, row in content.rows[kind]:
            if is_block(row.get(name, "")):
                try:
                    clear_key_of(purpose, row[name], protection_key)
                except KeyRefused as error:
                    yield content.problem(line, name, str(error))


Known = Mapping[str, Mapping[str, str]]
"""`merchant` and `issuer`: each that there is, with the address of an issuer."""


async def known_in(reader_dsn: str) -> Known:
    """The merchants and issuers in the register's tables."""
    reader = await PostgresReader.connect(reader_dsn, ACQUIRER)
    try:
        return {
            "merchant": {row.merchant_id: "" for row in await reader.select(MERCHANTS, {})},
            "issuer": {row.issuer_id: row.address for row in await reader.select(ISSUERS, {})},
        }
    finally:
        await reader.close()


def dangling(content: Content, loaded_before: Known, skip_bad: bool) -> list[Problem]:
    """Rows that name a merchant or issuer which stands neither in the file nor in the register's tables.

    A bad line that is left out is none that could be named; one that will be mended is.
    """
    naming = content.without(content.problems) if skip_bad else content
    known = {kind: dict(loaded_before.get(kind, {})) for kind in ("merchant", "issuer")}
    for kind, ids in known.items():
        rows = (row for _, row in naming.rows[kind] if f"{kind}_id" in row)
        ids.update((row[f"{kind}_id"], row.get("address", HERE)) for row in rows)
    problems = []
    for (kind, name), wanted in REFERENCES.items():
        for line, row in naming.rows[kind]:
            if name not in row:
                continue
            address = known[wanted].get(row[name])
            if address is None:
                which = "a good line" if skip_bad else "a line"
                says = f"there is no {wanted} {row[name]}: none in {which} of this file, and none was loaded before"
                problems.append(content.problem(line, name, says))
            elif kind == "account" and address != HERE:
                says = f"issuer {row[name]} is at {address}: only one whose address is `{HERE}` has accounts"
                problems.append(content.problem(line, name, says))
    return problems


def for_acquirer(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Arguments of the acquirer's `import`."""
    merchants = [
        {
            **{name: row[name] for name in ("merchant_id", "name", "mcc", "pre_auth_right")},
            "name_en": row["name_en"] or row["name"],
            "rules": canonical(together("merchant", row)),
        }
        for row in rows["merchant"]
    ]
    issuers = [
        {name: row[name] for name in ("issuer_id", "name", "address", "zone_mac", "zone_pin")} for row in rows["issuer"]
    ]
    return {
        "schemes": [row | {"rules": canonical(row["rules"])} for row in rows["scheme"]],
        "merchants": merchants,
        "issuers": issuers,
        "bins": list(rows["bin"]),
        "terminals": list(rows["terminal"]),
        "hot_cards": [{"pan": row["pan"], "response_code": row["reason"]} for row in rows["hot-card"]],
    }


def for_issuer(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Arguments of the issuer's `open-accounts`: a link to each issuer that we run, and the accounts."""
    links = [
        {
            **{name: row[name] for name in ("issuer_id", "zone_mac", "zone_pin")},
            "imk_ac": row["imk_ac"] or None,
            "habits": canonical(together("issuer", row)),
        }
        for row in rows["issuer"]
        if row["address"] == HERE
    ]
    accounts = [
        {name: value for name, value in row.items() if name != "available"}
        | {"available_minor": row["available"], "pin": row["pin"] or None}
        for row in rows["account"]
    ]
    return {"links": links, "accounts": accounts}
