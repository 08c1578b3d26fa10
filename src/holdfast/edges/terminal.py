"""`holdfast terminal`: a POS terminal on the command line. Thin: it parses, asks the terminal, prints.

Here are the options that every action has, and the list of all actions; these are in `terminal_business` (what a
cashier asks), `terminal_own` (the terminal itself), `terminal_pages` (what it shows without the acquirer) and `shell`
(the menu).
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.edges import terminal_business, terminal_own, terminal_pages
from holdfast.edges.counter import Counter, load_sample, told
from holdfast.edges.shell import session
from holdfast.edges.slip import Language
from holdfast.edges.terminal_business import ACTIONS, send_again
from holdfast.errors import BadInput

__all__ = ["app", "load_sample", "told"]

DEFAULT_FOLDER = Path("~/.holdfast-terminal")
PATIENCE_S_MAX = 300

app = typer.Typer(
    help="A POS terminal: journal first, then send; unknown is never shown as approved or declined.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def terminal(
    context: typer.Context,
    terminal_id: Annotated[str, typer.Option("--id", help="Terminal id (DE41), 8 characters, like T0000001.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the terminal's journal.")] = DEFAULT_FOLDER,
    host: Annotated[
        str | None, typer.Option("--host", help="The acquirer, like 127.0.0.1:9000; that of ~/.holdfast if not given.")
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(
            "--operator", help="Operator: 01 to 20 cashiers, 00 supervisor, 99 administrator; 01 if not given."
        ),
    ] = None,
    supervisor: Annotated[
        str | None, typer.Option("--supervisor", help="Supervisor who agrees (voids, refunds): 00.")
    ] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the slip: zh or en.")] = "zh",
    patience: Annotated[float, typer.Option("--patience", help="Seconds to wait for an answer.")] = 30.0,
    repeat: Annotated[
        str | None, typer.Option("--repeat", help="Send the request with this trace key again on the wire.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Options of every action. Secrets stay in the terminal's folder, card numbers encrypted."""
    if len(terminal_id) != 8 or not (terminal_id.isascii() and terminal_id.isalnum()):
        raise BadInput(f"terminal id {terminal_id!r} is not 8 letters and digits, like T0000001")
    for who, what in ((operator or "01", "--operator"), (supervisor or "00", "--supervisor")):
        if not (len(who) == 2 and who.isascii() and who.isdecimal()):
            raise BadInput(f"{what} {who!r} is not two digits, like 01")
    if not 1 <= patience <= PATIENCE_S_MAX:
        raise BadInput(f"--patience {patience} is not 1 to {PATIENCE_S_MAX} seconds")
    counter = Counter()
    counter.terminal_id, counter.folder, counter.host = terminal_id, data.expanduser(), host
    counter.named_operator, counter.supervisor, counter.language = operator, supervisor, lang
    counter.patience_s, counter.json, counter.repeat = patience, json, repeat
    context.obj = counter
    if context.invoked_subcommand is None:
        if repeat is None:
            raise BadInput("no action: try `holdfast terminal --help`")
        send_again(counter, repeat)
    if repeat is not None and context.invoked_subcommand not in ACTIONS:
        raise BadInput(f"--repeat goes with no action, or {', '.join(ACTIONS)}; not with {context.invoked_subcommand}")


terminal_business.add_to(app)
terminal_own.add_to(app)
terminal_pages.add_to(app)
session.add_to(app)
