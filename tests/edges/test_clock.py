"""`holdfast clock` as far as it goes while nothing runs: whose clock is advanced, and what is refused before it is."""

from pathlib import Path

import pytest

from holdfast.clock import DAY_US
from holdfast.edges import cli
from holdfast.runtime.business_clock import BusinessClock, appoint, followed_by, recall
from holdfast.runtime.clock_file import CLOCK_FILE
from holdfast.runtime.datafolder import DataFolder, installation_in
from holdfast.runtime.pos import FOLDER
from tests.edges.test_register import Command, Printed


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """The data folder of a sandbox in which nothing runs."""
    folder = DataFolder(tmp_path / "try").path
    recall(folder, ())
    return folder


@pytest.fixture
def advance(sandbox: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types `holdfast clock advance WORDS` about the sandbox."""

    def run(*words: str) -> Printed:
        monkeypatch.setattr("sys.argv", ["holdfast", "clock", "advance", *words, "--data", str(sandbox)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run


def used(folder: Path) -> Path:
    """A folder with a terminal in it."""
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / "T0000001.sqlite").touch()
    return folder


def test_a_folder_without_terminals_is_refused_before_anything_is_advanced(
    sandbox: Path, advance: Command, tmp_path: Path
) -> None:
    till, empty, none = used(tmp_path / "till"), tmp_path / "empty", tmp_path / "none"
    empty.mkdir()
    for folder in (empty, none):
        ran = advance("31d", "--terminals", str(till), "--terminals", str(folder))
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert f"no terminal was ever used in {folder}" in ran.err
    assert BusinessClock(sandbox).advances == ()
    assert not none.exists()
    assert list(empty.iterdir()) == []
    assert followed_by(till) is None
    assert "--terminals" in advance("1d").out, "who follows is said"
    assert advance("31d", "--terminals", str(till)).code == 0
    assert followed_by(till) == sandbox
    assert sorted(path.name for path in till.iterdir()) == ["clock.json", FOLDER]


def test_what_is_refused_has_nobody_follow(sandbox: Path, advance: Command, tmp_path: Path) -> None:
    till = used(tmp_path / "till")
    for number in range(10):
        appoint(sandbox, 366 * DAY_US, f"year-{number}", "operator")
    ran = advance("366d", "--terminals", str(till))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "at most 3660d" in ran.err
    assert followed_by(till) is None
    ran = advance("1d", "--id", "year-1", "--terminals", str(till))
    assert (ran.code, "another advance" in ran.err) == (2, True)
    assert [path.name for path in till.iterdir()] == [FOLDER]


def test_another_installation_follows_nobody(sandbox: Path, advance: Command, tmp_path: Path) -> None:
    other = used(tmp_path / "other")
    installation_in(other)
    ran = advance("1d", "--terminals", str(other))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert f"{other} is an installation with a clock of its own" in ran.err
    assert BusinessClock(sandbox).advances == ()
    assert not (other / CLOCK_FILE).exists()


def test_a_clock_only_goes_forward(sandbox: Path, advance: Command) -> None:
    for words in (("-1d",), ("-2h30m", "--json")):
        ran = advance(*words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "a clock only goes forward" in ran.err
    assert BusinessClock(sandbox).advances == ()
