"""`holdfast bench NAME`: figures with their baselines, measured in the same run."""

import asyncio
import sys
from typing import Annotated

import typer

from holdfast.bench.authorize import authorize
from holdfast.edges.output import print_json, print_table
from holdfast.errors import BadInput

NAMES = ("authorize",)


def bench(
    name: Annotated[str, typer.Argument(help=f"Which benchmark: {', '.join(NAMES)}.")],
    seconds: Annotated[float, typer.Option("--seconds", help="How long each figure is measured.")] = 5.0,
    rounds: Annotated[int, typer.Option("--rounds", help="Interleaved rounds; medians are printed.")] = 3,
    connections: Annotated[int, typer.Option("--connections", help="Closed-loop terminals.")] = 64,
    workers: Annotated[int, typer.Option("--workers", help="Acquirer processes, as with `holdfast up`.", min=1)] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure, and print ratios to a baseline of the same run."""
    if name not in NAMES:
        raise BadInput(f"no benchmark is called {name!r}; there is {', '.join(NAMES)}")
    rows = asyncio.run(authorize(seconds, rounds, connections, workers, lambda line: print(line, file=sys.stderr)))
    if json:
        kept = [{k: v for k, v in row._asdict().items() if v is not None} for row in rows]
        print_json({"name": name, "rows": kept})
        return
    cells = [
        (row.what, f"{row.value:,.1f}", row.unit, f"{row.ratio:.2f} ×" if row.ratio is not None else "") for row in rows
    ]
    print_table(f"bench {name}", ("what", "value", "unit", "to pgbench-naive"), cells)
