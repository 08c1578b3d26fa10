"""Whatever is killed, at whatever moment: nothing that was shown is lost, and nothing is left open. See `killing`."""

import sys
from collections.abc import Callable

import pytest

from tests.system.agreement import Evidence, problems_of
from tests.system.installation import Installation
from tests.system.killing import SERVERS, TERMINAL, Town, report_of, settled

ROUNDS = (*((victim,) for victim in (*SERVERS, TERMINAL)), ("acquirer-1", "issuer"), ("postmaster", TERMINAL))
SEED = 20261122


def test_nothing_is_lost_whatever_is_killed(
    make_installation: Callable[..., Installation], capsys: pytest.CaptureFixture[str]
) -> None:
    installation = make_installation("--sample")
    installation.start()
    installation.import_own()
    town = Town(installation, SEED, terminals=2)
    try:
        town.open()
        for victims in ROUNDS:
            town.work(0.7)
            town.kill(*victims)
    finally:
        town.close()
    evidence, quiet_s = settled(town)
    report = report_of(town, evidence, quiet_s)
    with capsys.disabled():
        sys.stdout.write("".join(f"\n  {line}" for line in report.lines()))
    assert report.problems == []
    assert report.told["approved"] > len(ROUNDS), "the terminals worked"
    assert_disagreements_are_seen(evidence)


def assert_disagreements_are_seen(evidence: Evidence) -> None:
    """The same evidence with one thing changed is found wrong: the audit can fail."""
    shown = {
        line["trace_key"]
        for line in evidence.counters[0].told
        if line["outcome"] == "approved" and line["kind"] == "pre-authorization"
    }
    sale = next(sale for sale in evidence.counters[0].sales if sale.trace_key in shown)
    row = evidence.rows[sale.trace_key]
    for change in (
        {"rows": {key: each for key, each in evidence.rows.items() if key != sale.trace_key}},
        {"rows": evidence.rows | {sale.trace_key: row | {"outcome": "reversed"}}},
        {"rows": evidence.rows | {sale.trace_key: row | {"outcome": "unknown"}}},
        {"rows": evidence.rows | {sale.trace_key: row | {"amount": row["amount"] + 1}}},
        {"rows": evidence.rows | {f"{sale.trace_key}x": row}},
        {"facts": {entry: fact for entry, fact in evidence.facts.items() if entry != sale.register_entry}},
        {"accounts": {card: each._replace(held_minor=each.held_minor + 1) for card, each in evidence.accounts.items()}},
        {"batches": [each | {"state": "open"} for each in evidence.batches]},
        {"batches": evidence.batches[1:]},
        {"counters": [each._replace(entries=each.entries[:-1]) for each in evidence.counters]},
        {"counters": [each._replace(sales=each.sales[1:]) for each in evidence.counters]},
        {"verified": evidence.verified._replace(code=1)},
    ):
        assert list(problems_of(evidence._replace(**change))) != [], change.keys()
