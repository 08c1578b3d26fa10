"""A long sweep of the simulator in portions, so that it can be watched and broken off; its last result stands in docs.

Exit 1 when any world complained; each complaint is printed with the command that replays it.
"""

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from holdfast.sim.run import Report, simulate

DOCS = Path(__file__).parents[2] / "docs" / "simulator.md"
BEGIN, END = "<!-- the last long sweep, by script/sweep -->", "<!-- end of the last long sweep -->"
PORTION = 1_000


class Sum(NamedTuple):
    """What came of the seeds so far."""

    seeds: int = 0
    complaints: int = 0
    requests: int = 0
    simulated_s: int = 0
    seconds: float = 0.0
    faults: int = 0

    def plus(self, report: Report) -> "Sum":
        """And of these."""
        return Sum(
            self.seeds + report.seeds,
            self.complaints + len(report.complaints),
            self.requests + report.requests,
            self.simulated_s + report.simulated_seconds,
            self.seconds + report.seconds,
            self.faults + sum(report.faults_by_kind.values()),
        )


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(
        prog="script/sweep", description="Many worlds of the simulator; what came of them goes into docs/simulator.md."
    )
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seeds", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--minutes", type=int, default=10, help="minutes of traffic in each world (10)")
    chosen = parser.parse_args()
    if min(chosen.first, chosen.seeds - 1, chosen.minutes - 1) < 0:
        parser.error("--seeds and --minutes are at least 1, --first at least 0")
    total, last = Sum(), chosen.first + chosen.seeds - 1
    try:
        for first in range(chosen.first, last + 1, PORTION):
            total = swept(range(first, min(first + PORTION, last + 1)), chosen.minutes, total, last)
    except KeyboardInterrupt:
        say("broken off")
    if total.seeds:
        write(told(chosen.first, chosen.minutes, total))
    return 1 if total.complaints else 0


def swept(seeds: range, minutes: int, total: Sum, last: int) -> Sum:
    """One portion, and a line about it."""
    began_s = monotonic()
    report = simulate(seeds, minutes)
    total = total.plus(report)
    for found in report.complaints:
        say(f"seed {found['seed']}: {found['what']}\n  {found['replay']}")
    left_h = (last - seeds[-1]) * (monotonic() - began_s) / len(seeds) / 3600
    say(f"up to seed {seeds[-1]:,}: {total.complaints} complaints, {total.requests:,} requests, {left_h:.1f} h to go")
    return total


def told(first: int, minutes: int, total: Sum) -> str:
    """The paragraph of the docs."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}: seeds {first:,} to "
        f"{first + total.seeds - 1:,} with {minutes} minutes of traffic each: {total.complaints} complaints, "
        f"{total.requests:,} requests, {total.faults:,} faults that took effect, {total.simulated_s:,} simulated "
        f"seconds of traffic in {total.seconds:,.0f} s on {os.cpu_count()} cores."
    )


def write(paragraph: str) -> None:
    """Put it where the last one stood."""
    say(paragraph)
    text = DOCS.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCS.write_text(f"{before}{BEGIN}\n{paragraph}\n{END}{after}")


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
