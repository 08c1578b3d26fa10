"""The command line: thin. A command is a row of COMMANDS; its module is imported when it is called.

Exit codes: 0 done, 1 a "no" as an answer, 2 bad usage or input, 3 outcome unknown, 4 cannot reach or start something.
"""

import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from holdfast import __version__
from holdfast.errors import BadInput, HoldfastError, Unreachable, WireError

COMMANDS = {
    "demo": "holdfast.edges.demo:demo",
    "up": "holdfast.edges.up:up",
    "status": "holdfast.edges.status:status",
    "open": "holdfast.edges.opened:opened",
    "doctor": "holdfast.edges.doctor:doctor",
    "sample": "holdfast.edges.sample:sample",
    "clock": "holdfast.edges.clock:app",
    "import": "holdfast.edges.importing:import_file",
    "keys": "holdfast.edges.keys:app",
    "terminal": "holdfast.edges.terminal:app",
    "register": "holdfast.edges.register:app",
    "backup": "holdfast.edges.backup:backup",
    "restore": "holdfast.edges.backup:restore",
    "service": "holdfast.edges.service:service",
    "decode": "holdfast.edges.decode:decode",
    "codes": "holdfast.edges.codes:codes",
    "simulate": "holdfast.edges.simulate:simulate",
    "bench": "holdfast.edges.bench:bench",
}
"""Name -> where its function, or its Typer app of sub-commands, is."""

TERMINAL_FLAGS = {"--json"}
TERMINAL_OPTIONS = {
    "--id",
    "--data",
    "--host",
    "--operator",
    "--supervisor",
    "--lang",
    "--patience",
    "--repeat",
}

BAD_INPUT, UNKNOWN, UNREACHABLE, INTERRUPTED = 2, 3, 4, 130


class Commands(TyperGroup):
    """Commands that are imported only when they are called: `holdfast terminal` need not wait for a database driver."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
            found.command(name=cmd_name)(function)
        return typer.main.get_command(found)


app = typer.Typer(
    cls=Commands,
    name="holdfast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(wanted: bool) -> None:
    """--version."""
    if wanted:
        print(f"holdfast {__version__}")
        raise typer.Exit


@app.callback()
def holdfast(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version.")
    ] = False,
) -> None:
    """Card pre-authorization whose completions are never without a register entry."""


def main() -> None:
    """Run one command; an expected error is one line on stderr, never a traceback."""
    if not __debug__:
        sys.exit("holdfast: refusing to run under python -O: its assertions guard money")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Where Chinese cannot be written it is escaped, as JSON does it: no answer is lost for a letter.
            stream.reconfigure(errors="backslashreplace")
    try:
        ended = app(in_any_order(sys.argv[1:]), prog_name="holdfast", standalone_mode=False)
    except TyperException as error:
        misused(error)
    except (BadInput, WireError) as error:
        fail(error, BAD_INPUT)
    except (Unreachable, HoldfastError) as error:
        fail(error, UNREACHABLE)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    except Exception:
        # A bug says nothing about what the other side did: "a no" would be a lie.
        traceback.print_exc()
        sys.exit(UNKNOWN)
    sys.exit(ended if isinstance(ended, int) else 0)


def misused(error: TyperException) -> None:
    """One line with the place where the right way stands; a command without any words prints its help."""
    says, context = error.format_message(), getattr(error, "ctx", None)
    if context is None or "\n" in says:
        sys.stderr.write(f"{says}\n")
        sys.exit(BAD_INPUT)
    fail(f"{says[:1].lower()}{says[1:].rstrip('.')}: see `{context.command_path} --help`", BAD_INPUT)


def in_any_order(arguments: list[str]) -> list[str]:
    """Options of `terminal` may stand behind its action too: they are brought to where the parser expects them."""
    if arguments[:1] != ["terminal"]:
        return arguments
    before, after = ["terminal"], []
    rest = iter(arguments[1:])
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if name in TERMINAL_FLAGS or (name in TERMINAL_OPTIONS and equals):
            before.append(argument)
        elif name in TERMINAL_OPTIONS:
            before += [argument, *([value] if (value := next(rest, None)) is not None else [])]
        else:
            after.append(argument)
    return before + after


def fail(error: Exception | str, code: int) -> None:
    """One line: what, where, what to do."""
    sys.stderr.write(f"holdfast: {error}\n")
    sys.exit(code)
