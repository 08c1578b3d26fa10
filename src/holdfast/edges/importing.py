"""`holdfast import FILE.csv`: own merchants, terminals, BINs, issuers, hot list and accounts.

Rule 1: everything wrong with a file is told at once, one line each with its line and column, and nothing is loaded.
Rule 2: what is right goes through the doors of the processes, like every change; the same file may be imported again.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from holdfast.domain.records import ISSUERS, MERCHANTS
from holdfast.edges.doors import OutcomeUnknown, tell_acquirer, tell_issuer
from holdfast.edges.import_rows import REFERENCES, Content, Problem, Row, read_rows
from holdfast.edges.output import print_json
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path
from holdfast.edges.up import tell
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.config import ACQUIRER, HERE, Address, notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.logs import open_log
from holdfast.runtime.supervise import Plan, Supervisor, bind_listeners
from holdfast.store.postgres_reader import PostgresReader

EXIT_UNKNOWN = 3
ERRORS_SHOWN = 100


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8 or GB18030, with a header line.", metavar="FILE.csv")],
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Load own merchants, terminals, issuers, BINs, hot list and accounts from a CSV file.

    The column `type` says what each line is; the other columns, in any order, may be left empty where they do not
    belong to it. A star marks what must be there.

    \b
    merchant  merchant_id* name* name_en mcc* pre_auth_right ceiling_percent validity_days
    terminal  terminal_id* merchant_id* tmk* enabled
    issuer    issuer_id* name* address* zone_mac* zone_pin* validity_days over_hold
    bin       prefix* issuer_id* scheme kind
    hot-card  pan* reason*
    account   account_id* issuer_id* pan* expiry* kind status pin frozen_percent available*

    Keys are 16 bytes in hex. An issuer's address is host:port, or `here` for the one that `holdfast up` runs (only it
    has accounts). When anything is wrong, every problem is told with line and column and nothing is loaded. The file
    holds keys in clear: delete it afterwards.
    """
    content = read_rows(file)
    refuse(file, content.problems)
    path = data_path(data)
    if not path.exists():
        tell(f"{path} is not there yet: a new installation is made in it")
    folder = DataFolder(path)
    try:
        counts = asyncio.run(load(folder, db, folder.keys if keys is None else keys, file, content))
    except OutcomeUnknown as error:
        sys.stderr.write(f"holdfast: {error}\n")
        raise typer.Exit(EXIT_UNKNOWN) from error
    if json:
        print_json({"imported": counts})
    else:
        print("imported " + ", ".join(f"{n} {kind}" for kind, n in counts.items()) + f" into {folder.path}")


def refuse(file: Path, problems: Sequence[Problem]) -> None:
    """Tell every problem on a line of its own and end, when there is any."""
    shown = sorted(problems)[:ERRORS_SHOWN]
    for line, column, says in shown[:-1]:
        sys.stderr.write(f"holdfast: {_place(file, line, column)}: {says}\n")
    if len(problems) > len(shown):
        sys.stderr.write(f"holdfast: {file}: {len(problems) - len(shown)} more problems\n")
    if shown:
        line, column, says = shown[-1]
        raise BadInput(f"{_place(file, line, column)}: {says}; nothing was loaded")


def _place(file: Path, line: int, column: int) -> str:
    return f"{file}: line {line}" + (f", column {column}" if column else "")


# --- loading ------------------------------------------------------------------------------------------------------


async def load(folder: DataFolder, db: str, keys: Path, file: Path, content: Content) -> dict[str, int]:
    """Through the doors of what runs; where nothing does, it is started for as long as this takes."""
    try:
        notice = notice_of(folder)
    except Unreachable:
        return await _load_alone(folder, db, keys, file, content)
    dsns = role_dsns(notice.database, Path(notice.keys))
    return await _load_into(folder, dsns.reader_acquirer, file, content)


async def _load_alone(folder: DataFolder, db: str, keys: Path, file: Path, content: Content) -> dict[str, int]:
    with folder.lock("import"):
        # Nobody is told of this port, and it is gone in a moment.
        listeners = bind_listeners(Address("127.0.0.1", 0), 1, may_move=False)
        supervisor = Supervisor(Plan(folder, keys, db, 1), listeners, open_log(folder.logs / "up.log", "import"), tell)
        try:
            dsns = await supervisor.start()
            await supervisor.wait_for_doors()
            return await _load_into(folder, dsns.reader_acquirer, file, content)
        finally:
            await supervisor.stop()


async def _load_into(folder: DataFolder, reader_dsn: str, file: Path, content: Content) -> dict[str, int]:
    refuse(file, await _dangling(reader_dsn, content))
    rows = {kind: [row for _, row in numbered] for kind, numbered in content.rows.items()}
    # The issuer first: it alone may refuse, and then nothing has happened yet.
    asked = for_issuer(rows)
    if any(asked.values()):
        await tell_issuer(folder, "open-accounts", asked, "import")
    await tell_acquirer(folder, "import", for_acquirer(rows), "import")
    return {kind: len(those) for kind, those in rows.items() if those}


async def _dangling(reader_dsn: str, content: Content) -> list[Problem]:
    """Rows that name a merchant or issuer which stands neither in the file nor in the register's tables."""
    known = {
        kind: {row[name] for _, row in content.rows[kind]}
        for kind, name in (("merchant", "merchant_id"), ("issuer", "issuer_id"))
    }
    reader = await PostgresReader.connect(reader_dsn, ACQUIRER)
    try:
        known["merchant"] |= {row.merchant_id for row in await reader.select(MERCHANTS, {})}
        known["issuer"] |= {row.issuer_id for row in await reader.select(ISSUERS, {})}
    finally:
        await reader.close()
    return [
        Problem(
            line, content.columns[name], f"{kind} names {wanted} {row[name]}, which is neither here nor loaded before"
        )
        for (kind, name), wanted in REFERENCES.items()
        for line, row in content.rows[kind]
        if row[name] not in known[wanted]
    ]


def for_acquirer(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Arguments of the acquirer's `import`."""
    merchants = [row | {"name_en": row["name_en"] or row["name"]} for row in rows["merchant"]]
    issuers = [
        {name: row[name] for name in ("issuer_id", "name", "address", "zone_mac", "zone_pin")} for row in rows["issuer"]
    ]
    hot = [{"pan": row["pan"], "response_code": row["reason"]} for row in rows["hot-card"]]
    return {
        "merchants": merchants,
        "terminals": list(rows["terminal"]),
        "issuers": issuers,
        "bins": list(rows["bin"]),
        "hot_cards": hot,
    }


def for_issuer(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Arguments of the issuer's `open-accounts`: the accounts, and a link to each issuer that we run."""
    links = [
        {name: row[name] for name in ("issuer_id", "zone_mac", "zone_pin", "validity_days", "over_hold")}
        for row in rows["issuer"]
        if row["address"] == HERE
    ]
    accounts = [
        {name: value for name, value in row.items() if name != "available"}
        | {"available_minor": row["available"], "pin": row["pin"] or None}
        for row in rows["account"]
    ]
    return {"accounts": accounts, "links": links}
