"""The sockets that others connect to. They belong to the supervisor, so that nobody else can take a port meanwhile."""

import errno
import socket
import time

from holdfast.errors import Unreachable
from holdfast.runtime.config import Address

BACKLOG = 1024
PORTS_TRIED = 100
PORT_PATIENCE_S = 2.0
"""What an earlier `up` left may take a moment to let go of its port."""

POLL_S = 0.05


def address_of(listener: socket.socket) -> str:
    """Where a socket listens."""
    name = listener.getsockname()
    return str(Address(name[0], name[1]))


def bind_listeners(address: Address, workers: int, may_move: bool, option: str = "--pos") -> list[socket.socket]:
    """One socket for each worker, all on one port; the next free port where ours is taken and it `may_move`.

    Unreachable when the port is in use or may not be had; `option` is the one that names another.
    """
    assert address.port is not None, "whoever comes, comes over TCP"
    ports = range(address.port, min(address.port + PORTS_TRIED, 0x10000)) if may_move else (address.port,)
    until_s = time.monotonic() + PORT_PATIENCE_S
    while True:
        for port in ports:
            try:
                return _bind_all(address._replace(port=port), workers)
            except OSError as error:
                reason = error
                if error.errno != errno.EADDRINUSE:
                    raise Unreachable(f"cannot listen at {address}: {error.strerror or error}") from error
        if time.monotonic() > until_s:
            what_to_do = f"stop what listens there, or name another {option}"
            raise Unreachable(f"port {address} is in use: {what_to_do}") from reason
        time.sleep(POLL_S)


def _bind_all(address: Address, workers: int) -> list[socket.socket]:
    # One socket is ours alone. Several share the port, and whoever shares lets others of this user in: so it must be
    # free before.
    first = _bind(address, shared=False)
    if workers == 1:
        return [first]
    port = first.getsockname()[1]
    first.close()
    return [_bind(address._replace(port=port), shared=True) for _ in range(workers)]


def _bind(address: Address, shared: bool) -> socket.socket:
    family, _, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(place)
        # A port is only ours once somebody listens; whoever connects this early waits for a worker.
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
