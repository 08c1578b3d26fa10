"""What a run came to, in numbers: for people, and as one JSON object."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple

from tests.system.chaos.acts import Kill
from tests.system.chaos.audit import Audited, Told
from tests.system.chaos.schedule import COMPONENTS, ISSUER

ANSWERED = ("approved", "declined")
ITEMS_MAX = 40


class Report(NamedTuple):
    """All of it, times in seconds.

    `lasted_s` is how long the traffic of so many `seconds` really took; `recovery`, by component, from a kill to the
    first request asked after it that was answered; `resolved_s` from the last misfortune to the moment when nothing was
    in doubt any more.
    """

    seed: int
    seconds: float
    lasted_s: float
    schedule: str
    replay: str
    terminals: int
    kills: dict[str, int]
    kills_in_flight: dict[str, int]
    misfortunes: dict[str, int]
    missed: dict[str, int]
    disk_full: dict[str, int]
    ended: dict[str, int]
    transactions: int
    answered_rows_checked: int
    receipts_checked: int
    requests: int
    kinds: dict[str, int]
    told: dict[str, int]
    beliefs: dict[str, int]
    findings: dict[str, int]
    recovery: dict[str, dict[str, float]]
    resolved_s: float
    complaints: list[str]

    @property
    def kills_n(self) -> int:
        """All components together."""
        return sum(self.kills.values())

    def as_json(self) -> dict[str, Any]:
        """What --json prints."""
        in_flight = sum(self.kills_in_flight.values())
        counted = {"kills_total": self.kills_n, "kills_in_flight_total": in_flight, "broken": len(self.complaints)}
        return self._asdict() | counted

    def lines(self) -> Iterator[str]:
        """For people."""
        in_flight = sum(self.kills_in_flight.values())
        lasted = f"{self.seconds:.0f} s that took {self.lasted_s:.0f}"
        yield f"seed {self.seed}, {lasted}, {self.terminals} terminals, schedule {self.schedule[:16]}"
        yield f"killed {self.kills_n} times, {in_flight} of them with requests in flight:"
        for component in COMPONENTS:
            times = f"{self.kills[component]} times, {self.kills_in_flight[component]} with requests in flight"
            took = self.recovery.get(component)
            words = "first answer after {min_s:.2f} / {median_s:.2f} / {max_s:.2f} s (min / median / max)"
            yield f"  {component}: {times}; {words.format(**took) if took else 'no answer after it'}"
        yield f"also: {listed(self.misfortunes)}"
        yield f"found nobody to hit: {listed(self.missed)}; ended by itself: {listed(self.ended)}"
        yield f"complained that the disk is full: {listed(self.disk_full)}"
        yield f"{self.transactions} transactions: cashiers were told {listed(self.told)}"
        yield f"approved: {listed(self.kinds)}; terminals believe: {listed(self.beliefs)}"
        yield f"checked {self.answered_rows_checked} answered rows of journals and {self.receipts_checked} receipts"
        yield f"against {self.requests} requests of the register; findings: {listed(self.findings)}"
        yield f"nothing in doubt {self.resolved_s:.1f} s after the last misfortune"
        yield f"invariants broken: {len(self.complaints)}"
        yield from (f"  {complaint}" for complaint in self.complaints[:ITEMS_MAX])
        yield f"replay: {self.replay}"


def listed(counts: Mapping[str, int]) -> str:
    """Names and numbers."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def by_component(kills: Iterable[Kill]) -> dict[str, int]:
    """How many of each, none included."""
    counts = Counter(kill.component for kill in kills)
    return {component: counts[component] for component in COMPONENTS}


def recovery(kills: Iterable[Kill], told: Told) -> dict[str, dict[str, float]]:
    """How long it took, after each kill, until a request that was asked after it by whoever suffered was answered."""
    answers = {name: list(_answers(lines)) for name, lines in told.items()}
    took: dict[str, list[float]] = {}
    for kill in kills:
        times = [_first_s(kill, answers[name]) for name in kill.terminals]
        if found := [time_s for time_s in times if time_s is not None]:
            took.setdefault(kill.component, []).append(min(found))
    return {
        component: {"kills": len(each), "min_s": min(each), "median_s": median(each), "max_s": max(each)}
        for component, each in took.items()
    }


def _answers(lines: Iterable[Mapping[str, Any]]) -> Iterator[tuple[float, float, bool]]:
    """When it was asked and told, and whether an issuer approved."""
    for line in lines:
        if line["outcome"] in ANSWERED and line.get("register_entry"):
            yield line["began_s"], line["told_s"], line["outcome"] == "approved"


def _first_s(kill: Kill, answers: Iterable[tuple[float, float, bool]]) -> float | None:
    # Without an issuer an acquirer still answers, that it has none.
    needs_issuer = kill.component == ISSUER
    after = (told for began, told, approved in answers if began > kill.at_s and (approved or not needs_issuer))
    first_s = min(after, default=None)
    return None if first_s is None else first_s - kill.at_s


def results(audited: Audited, kills: list[Kill], told: Told) -> dict[str, Any]:
    """The fields of a report that follow from what was recorded."""
    return {
        "kills": by_component(kills),
        "kills_in_flight": by_component(kill for kill in kills if kill.in_flight),
        "transactions": audited.answered_rows,
        "answered_rows_checked": audited.answered_rows,
        "receipts_checked": audited.receipts,
        "requests": audited.requests,
        "kinds": dict(audited.kinds),
        "told": dict(Counter(str(line["outcome"]) for lines in told.values() for line in lines)),
        "beliefs": dict(audited.beliefs),
        "findings": dict(audited.findings),
        "recovery": recovery(kills, told),
        "complaints": audited.complaints,
    }
