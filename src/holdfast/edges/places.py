"""Whose installation a command means: the options that say so, alike for every command."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.runtime.business_clock import BusinessClock
from holdfast.runtime.config import notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.roles import RoleDsns

DEFAULT_DATA = Path("~/.holdfast")

DataOption = Annotated[
    Path | None, typer.Option(help="Data folder of the installation; ~/.holdfast where not given.", metavar="DIR")
]
DbOption = Annotated[
    str, typer.Option(help="A PostgreSQL server, postgresql://user:password@host/database, not the embedded one.")
]
KeysOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the installation's keys; inside the data folder where not given.", metavar="DIR"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def data_path(data: Path | None) -> Path:
    """The data folder that is meant."""
    return (DEFAULT_DATA if data is None else data).expanduser()


def business_time_us(data: Path | None) -> int:
    """The business time of that installation, microseconds since 1970 UTC."""
    return BusinessClock(data_path(data)).now_us()


def database_of(data: Path | None, db: str, keys: Path | None) -> RoleDsns:
    """Where each role connects: to the server of `--db`, else to that of whatever runs in the data folder.

    Unreachable, naming the command that starts it, when nothing runs there.
    """
    folder = DataFolder(data_path(data), create=False)
    if db:
        return role_dsns(db, folder.keys if keys is None else keys)
    notice = notice_of(folder)
    return role_dsns(notice.database, Path(notice.keys))
