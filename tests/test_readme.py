"""What the READMEs tell a newcomer to type works, in a fresh copy of the repository.

A fenced block that opens with ```sh is run by bash -e, in order, unless its first line is a comment that begins
"# not run" (for what stays up, asks for input, or runs these tests). The two languages hold the same commands.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.tracked import tracked_files

READMES = ("README.md", "README.zh-CN.md")
NOT_RUN = "# not run"
BLOCK_PATIENCE_S = 180
"""script/demo promises to end within this time on a machine that has nothing yet."""

_SH_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sh_blocks(text: str) -> list[str]:
    """The contents of the ```sh blocks, in order."""
    return _SH_BLOCK.findall(text)


def commands(block: str) -> list[str]:
    """The lines of a block without comments, which are in the reader's language."""
    bare = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in block.splitlines())
    return [line for line in bare if line]


def run_block(block: str, folder: Path, patience_s: float = BLOCK_PATIENCE_S) -> None:
    """Runs a block in `folder`; raises AssertionError with its output when it fails or takes too long."""
    # A session of its own, so that what the block started ends with it; output to a file, because a process that stays
    # behind would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        bash = subprocess.Popen(
            ["bash", "-e", "-c", block],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = bash.wait(patience_s)
            ended = f"ended {status}" if status else ""
        except subprocess.TimeoutExpired:
            ended = f"took more than {patience_s} s"
        with contextlib.suppress(ProcessLookupError):
            # Also where a command in the middle failed and what it had started in the background runs on.
            os.killpg(bash.pid, signal.SIGKILL)
        bash.wait()
        output.seek(0)
        assert not ended, f"{ended}:\n{block}\n{output.read()}"


def test_both_languages_hold_the_same_commands(repository: Path) -> None:
    first, second = ((repository / name).read_text(encoding="utf-8") for name in READMES)
    assert [commands(block) for block in sh_blocks(first)] == [commands(block) for block in sh_blocks(second)]


def test_the_commands_work_in_a_fresh_copy(repository: Path, tmp_path: Path) -> None:
    text = (repository / READMES[0]).read_text(encoding="utf-8")
    blocks = [block for block in sh_blocks(text) if not block.startswith(NOT_RUN)]
    assert blocks, "README.md shows nothing that is run"
    assert not any("script/test" in block for block in blocks), f"script/test would run itself: put {NOT_RUN!r} first"
    for path in tracked_files(repository):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / path, tmp_path / path)
    for block in blocks:
        run_block(block, tmp_path)


def test_blocks_and_their_commands_are_found() -> None:
    text = "a\n```sh\nscript/demo   # sixty seconds\n\n```\n```text\nx\n```\n```sh\n# not run\nup\n```\n"
    blocks = sh_blocks(text)
    assert blocks == ["script/demo   # sixty seconds\n\n", "# not run\nup\n"]
    assert [commands(block) for block in blocks] == [["script/demo"], ["up"]]


def test_a_failing_command_is_reported_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ended 7:(.|\n)*before"):
        run_block("echo before\n(exit 7)\necho after\n", tmp_path)


def test_a_command_that_stays_up_is_ended(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="took more than"):
        run_block("sleep 60\n", tmp_path, patience_s=0.2)
