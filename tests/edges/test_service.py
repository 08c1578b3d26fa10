"""`holdfast service`: a unit that systemd takes, for what was asked, with few rights."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.edges import cli, service
from holdfast.runtime.supervise import DRAIN_S

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types `holdfast service WORDS`: exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["holdfast", "service", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def settings(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if re.match("[A-Z][A-Za-z]+=", line))


def test_the_unit_of_a_debian_machine(typed: Typed) -> None:
    code, unit, _ = typed("--pos", "0.0.0.0:9000", "--workers", "2")
    assert code == 0
    said = settings(unit)
    program = service.program_path()
    assert said["ExecStart"] == f"{program} up --data /var/lib/holdfast --pos 0.0.0.0:9000 --workers 2"
    assert (said["User"], said["StateDirectory"], said["StateDirectoryMode"]) == ("holdfast", "holdfast", "0700")
    assert (said["Type"], said["KillMode"], said["Restart"]) == ("notify", "mixed", "on-failure")
    # The supervisor lets workers, issuer and database end one after the other.
    assert int(said["TimeoutStopSec"]) > 2 * DRAIN_S + 80
    assert (said["NoNewPrivileges"], said["ProtectSystem"], said["CapabilityBoundingSet"]) == ("yes", "strict", "")
    assert "ReadWritePaths" not in said


def test_other_places_and_ports(typed: Typed) -> None:
    _, unit, _ = typed("--data", "/srv/cards", "--keys", "/srv/keys", "--pos", "0.0.0.0:443", "--user", "cards")
    said = settings(unit)
    assert [line for line in unit.splitlines() if line.startswith("ReadWritePaths=")] == [
        "ReadWritePaths=/srv/cards",
        "ReadWritePaths=/srv/keys",
    ]
    assert said["AmbientCapabilities"] == said["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert said["ExecStart"].endswith("up --data /srv/cards --pos 0.0.0.0:443 --keys /srv/keys")
    assert "StateDirectory" not in said
    _, unit, _ = typed("--data", "/home/cards/data")
    assert settings(unit)["ProtectHome"] == "read-only"
    _, unit, _ = typed("--db", "postgresql://holdfast@db.example/cards%20?sslmode=disable")
    assert "--db postgresql://holdfast@db.example/cards%%20?sslmode=disable" in settings(unit)["ExecStart"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "/srv/my cards"], "has letters that a unit and a socket cannot take"),
        (["--data", "/srv/" + "x" * 80], "too long for the sockets of a service"),
        (["--user", "root"], "--user 'root' is not the name of an ordinary user"),
        (["--user", "a b"], "--user 'a b' is not the name of an ordinary user"),
        (["--pos", "9000"], "is not a host and a port"),
        (["--db", "postgresql://u:secret@h/d"], "everybody may read a unit: leave the password out of --db"),
        (["--db", "postgresql://h/d?password=secret"], "everybody may read a unit"),
    ],
)
def test_what_no_unit_can_hold_is_refused(typed: Typed, words: list[str], says: str) -> None:
    code, out, told = typed(*words)
    assert (code, out) == (2, "")
    assert says in told
    assert "secret" not in told


def test_a_word_of_a_command_line_is_read_back_as_it_was() -> None:
    assert service.word("/srv/cards") == "/srv/cards"
    assert service.word("a b") == '"a b"'
    assert service.word('50% of "$HOME"') == '"50%% of \\"$$HOME\\""'


def test_systemd_has_nothing_to_say_against_it(typed: Typed, tmp_path: Path) -> None:
    """Where systemd is not installed, that every line is a section, a setting or a comment."""
    _, unit, _ = typed()
    file = tmp_path / "holdfast.service"
    file.write_text(unit, encoding="utf-8")
    analyze = shutil.which("systemd-analyze")
    if analyze:
        program = Path(service.program_path())
        assert program.exists(), "the unit is checked with the program that it names"
        checked = subprocess.run([analyze, "verify", str(file)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    for line in unit.splitlines():
        assert re.fullmatch(r"|#.*|\[[A-Z][a-z]+\]|[A-Z][A-Za-z0-9]+=.*", line), line
    sections = [line for line in unit.splitlines() if line.startswith("[")]
    assert sections == ["[Unit]", "[Service]", "[Install]"]
