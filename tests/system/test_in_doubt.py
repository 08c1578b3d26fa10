"""Whoever asks what is in doubt is told: by `open`, by `status` and by the metrics, at every moment the same."""

import contextlib
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from holdfast.runtime.strays import postgres_in
from tests.system.installation import Installation, wait_until

HOTEL, BAR = "T0000001", "T0000002"
PRE_AUTH = ("--patience", "2", "pre-auth", "--amount")
SCRAPE_S = 10.0
QUIET_S = 120.0
"""A reversal is repeated after pauses that grow."""

Numbers = dict[str, dict[tuple[str, ...], float]]


def scraped(http: str) -> Numbers:
    """The metrics, by name and values of labels; those that are 0 are left out."""
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=SCRAPE_S) as page:
        families = list(text_string_to_metric_families(page.read().decode()))
    return {
        family.name: {tuple(each.labels.values()): each.value for each in family.samples if each.value}
        for family in families
    }


def health(http: str) -> int:
    """The status of the page that says whether all is well."""
    try:
        with urllib.request.urlopen(f"http://{http}/healthz", timeout=SCRAPE_S) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code


@contextlib.contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    """These processes do nothing meanwhile."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def pid_of(installation: Installation, who: str) -> int:
    pid = installation.pid_of(who)
    assert pid is not None
    return pid


def opened(installation: Installation, expect: int) -> list[dict[str, Any]]:
    """What `open` lists, of the acquirer and of the terminals' own folder."""
    return installation.run("open", "--json", "--terminals", installation.tills, expect=expect).rows


def test_what_is_in_doubt_has_an_owner_a_next_action_and_a_time_until_it_is_known(
    make_installation: Callable[..., Installation],
) -> None:
    installation = make_installation("--sample", "--http", "127.0.0.1:0")
    installation.launch()
    http = str(installation.wait_ready()["http"])
    for terminal_id in (HOTEL, BAR):
        installation.terminal(terminal_id, "sign-on")
    assert opened(installation, 0) == []
    assert installation.run("open").out == "nothing is in doubt, and nothing is owed\n"
    assert (scraped(http)["holdfast_in_doubt"], health(http)) == ({}, 200)

    with standing_still([pid_of(installation, "issuer")]):
        asked = installation.terminal(HOTEL, *PRE_AUTH, "300.00", "--card", "bob", expect=3).json
        installation.terminal(HOTEL, "sync", expect=None)
        (owed,) = opened(installation, 1)
        assert (owed["party"], owed["what"], owed["trace_key"]) == ("acquirer", "reversal", asked["trace_key"])
        assert (owed["owner"], owed["in_doubt"], owed["amount"]) == ("acquirer", True, 300_00)
        assert "acknowledges" in owed["next_action"]
        assert owed["since"] < owed["due"]
        assert installation.run("status", "--json").json["in_doubt"] == 1
        wait_until("a scrape is new", lambda: scraped(http)["holdfast_in_doubt"] == {("acquirer", "reversal"): 1})
        assert scraped(http)["holdfast_in_doubt_oldest_seconds"]["acquirer",] > 0
        assert "冲正" in installation.run("open", expect=1).out

        with standing_still([pid_of(installation, "acquirer-1")]):
            later = installation.terminal(BAR, *PRE_AUTH, "40.00", "--card", "carol", expect=3).json
            stored = next(row for row in opened(installation, 1) if row["party"] == "terminal")
            assert (stored["what"], stored["trace_key"]) == ("reversal", later["trace_key"])
            assert (stored["owner"], stored["terminal_id"]) == (f"terminal {BAR}", BAR)
            assert stored["due"] is not None

    installation.terminal(BAR, "sync")
    wait_until("nothing is in doubt", lambda: installation.run("open", "--json", expect=None).code == 0, QUIET_S)
    assert opened(installation, 0) == []
    wait_until("the metrics say so", lambda: not scraped(http)["holdfast_in_doubt"])
    for key in (asked["trace_key"], later["trace_key"]):
        row = installation.row(key)
        assert row is None or row["outcome"] == "reversed", "what was in doubt is undone"


def test_while_the_database_is_away_nothing_old_is_told(make_installation: Callable[..., Installation]) -> None:
    installation = make_installation("--sample", "--http", "127.0.0.1:0")
    installation.launch()
    http = str(installation.wait_ready()["http"])
    before = scraped(http)
    assert before["holdfast_database_up"] == {(): 1}
    assert before["holdfast_register_entries"]["A",] > 0
    with standing_still(sorted(postgres_in(installation.data / "postgres"))):
        away = wait_until("it is noticed", lambda: (found := scraped(http))["holdfast_database_up"] == {} and found)
        assert "holdfast_register_entries" not in away
        assert health(http) == 503
    wait_until("it is back", lambda: scraped(http)["holdfast_database_up"] == {(): 1})
    assert health(http) == 200
    watcher = installation.log("watcher")
    assert [line["event"] for line in watcher if "database" in line["event"]] == [
        "the database is away",
        "the database answers again",
    ]
