"""Whose installation a command means: the options that say so, alike for every command."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_DATA = Path("~/.holdfast")

DataOption = Annotated[
    Path | None, typer.Option(help="Data folder of the installation; ~/.holdfast where not given.", metavar="DIR")
]
DbOption = Annotated[
    str,
    typer.Option(help="A PostgreSQL server, postgresql://user:password@host/database, in place of the embedded one."),
]
KeysOption = Annotated[
    Path | None, typer.Option(help="Folder of the installation's keys; inside the data folder where not given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def data_path(data: Path | None) -> Path:
    """The data folder that is meant."""
    return (DEFAULT_DATA if data is None else data).expanduser()
