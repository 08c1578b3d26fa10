"""The command line: thin. Each module of this package adds its commands to `app`; `main` turns errors into exit codes.

Exit codes: 0 done, 1 a "no" as an answer, 2 bad usage or input, 3 outcome unknown, 4 cannot reach or start something.
"""

import sys

import typer

from holdfast.edges import decode, register
from holdfast.errors import BadInput, HoldfastError, Unreachable, WireError

app = typer.Typer(
    name="holdfast",
    help="Card pre-authorization whose completions are never without a register entry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command(name="decode")(decode.decode)
app.add_typer(register.app, name="register")

BAD_INPUT, UNREACHABLE = 2, 4


def main() -> None:
    """Run one command; an expected error is one line on stderr, never a traceback."""
    if not __debug__:
        sys.exit("holdfast: refusing to run under python -O: its assertions guard money")
    try:
        app()
    except (BadInput, WireError) as error:
        fail(error, BAD_INPUT)
    except Unreachable as error:
        fail(error, UNREACHABLE)
    except HoldfastError as error:
        fail(error, UNREACHABLE)
    except KeyboardInterrupt:
        sys.exit(130)


def fail(error: Exception, code: int) -> None:
    """One line: what, where, what to do."""
    sys.stderr.write(f"holdfast: {error}\n")
    sys.exit(code)
