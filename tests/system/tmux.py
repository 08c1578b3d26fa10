"""A real terminal of 80 x 24 that nobody looks at: keys are typed into it, and what stands on it is read.

It is tmux, a Debian package: the list of what continuous integration installs has it.
"""

import itertools
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence

COLUMNS, LINES = 80, 24
PATIENCE_S = 60.0
POLL_S = 0.05


class Screen:
    """One terminal with one program in it. Use `end` when it is over."""

    _count = itertools.count(1)

    def __init__(self, command: Sequence[object]) -> None:
        assert shutil.which("tmux"), "tmux is missing: run `apt-get install tmux`"
        self._socket = f"holdfast-{os.getpid()}-{next(self._count)}"
        line = shlex.join(str(word) for word in command)
        # The program's end would take its last screen with it.
        shell = f"{line}; echo; echo ended with code $?; exec cat"
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self._tmux("-f", "/dev/null", "-u", "new-session", "-d", *size, shell)

    def _tmux(self, *words: str) -> str:
        utf8 = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        utf8.pop("TMUX", None)
        command = ["tmux", "-L", self._socket, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=utf8, check=False, timeout=30)
        assert done.returncode == 0, f"{command} ended {done.returncode}: {done.stderr}"
        return done.stdout

    def text(self) -> str:
        """What stands on it now."""
        return self._tmux("capture-pane", "-p")

    def shows(self, *texts: str) -> str:
        """Wait until all of it stands there; -> the whole screen."""
        until_s = time.monotonic() + PATIENCE_S
        while not all(text in (shown := self.text()) for text in texts):
            assert time.monotonic() < until_s, f"waited {PATIENCE_S:.0f} s in vain for {texts}:\n{shown}"
            time.sleep(POLL_S)
        return shown

    def press(self, *keys: str) -> None:
        """Keys by their tmux names: `Enter`, `Escape`, `C-c`, or single characters."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """A line."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def end(self) -> None:
        """Whatever runs in it is ended."""
        self._tmux("kill-server")
