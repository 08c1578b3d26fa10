"""Tells systemd how we are, where it asked to be told (`Type=notify`); see sd_notify(3)."""

import os
import socket

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str) -> None:
    """One datagram to the socket that systemd named; nothing without systemd, or when it does not listen."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaking:
            speaking.connect("\0" + name[1:] if name[0] == "@" else name)
            speaking.sendall(state.encode())
    except OSError:
        return
