"""What systemd is told, and that nobody is stopped when it does not listen."""

import socket
from pathlib import Path

import pytest

from holdfast.runtime.notify import READY, STOPPING, notify


def test_it_is_told_where_it_asked_to_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (str(tmp_path / "notify"), f"@holdfast-test-{tmp_path.name}-{id(tmp_path)}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind("\0" + name[1:] if name[0] == "@" else name)
            systemd.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", name)
            notify(READY)
            notify(STOPPING)
            assert [systemd.recv(64), systemd.recv(64)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("name", ["", "vsock:1:2", "/nowhere/notify", "@nobody-listens-here"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify(READY)
