"""A machine that lacks something gets one line that says what to do, and nothing half made is left behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("bash", "cat", "dirname", "env", "flock", "sha256sum", "tail", "rm", "git")


@pytest.fixture
def bare(repository: Path, tmp_path: Path) -> Path:
    """A copy of what set-up reads, and a PATH of its own without any Python."""
    for part in ("script", "requirements"):
        shutil.copytree(repository / part, tmp_path / part)
    shutil.copy(repository / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    return tmp_path


def set_up(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "script" / "setup", *arguments],
        env={"PATH": str(folder / "bin"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def add_python(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_no_python(bare: Path) -> None:
    add_python(bare, "python3.12", "exit 127")  # a name that a version manager left and that does not run
    ended = set_up(bare)
    assert (ended.returncode, ended.stderr) == (
        4,
        "setup: no Python 3.11 or newer found; run: apt-get install python3 python3-venv\n",
    )


def test_python_without_venv(bare: Path) -> None:
    add_python(bare, "python3", '[[ "$2" != *ensurepip* ]]')
    ended = set_up(bare)
    assert (ended.returncode, ended.stderr) == (
        4,
        "setup: python3 cannot make environments; run: apt-get install python3-venv\n",
    )
    assert not (bare / ".venv").exists()


def test_a_failing_step_shows_why_and_is_tried_again(bare: Path) -> None:
    add_python(bare, "python3", f'[ "$1" = -c ] && exec {sys.executable} "$@"; echo no space left; exit 1')
    for _ in range(2):
        ended = set_up(bare)
        assert ended.returncode == 4
        assert "no space left\n" in ended.stderr
        assert ended.stderr.splitlines()[-1].endswith("failed; the reason is above")


def test_bad_usage(bare: Path) -> None:
    ended = set_up(bare, "--everything")
    assert (ended.returncode, ended.stderr) == (2, "setup: usage: script/setup [--test]\n")


def test_a_link_in_place_of_the_environment_is_replaced_and_not_followed(bare: Path) -> None:
    other = bare / "other"
    other.mkdir()
    (other / "kept").touch()
    (bare / ".venv").symlink_to(other)
    add_python(bare, "python3", f'[ "$1" = -c ] && exec {sys.executable} "$@"; exit 1')
    set_up(bare)
    assert (other / "kept").exists()
    assert not (bare / ".venv").is_symlink()
