"""Links over sockets: bytes become messages for the engine, frames go out, and whoever misbehaves harms only himself.

Rule 1: a wrong length prefix loses the place in the stream, so the link is closed. A whole frame that is no message is
dropped with one line in the log and the link stays, unless nothing but that comes.
Rule 2: half a frame must be whole soon, or the link is closed. A link at rest may rest for minutes.
Rule 3: a peer that does not read what it is sent is cut off before it costs memory.
Rule 4: when more waits than the engine can soon decide on, those who ask are not read from until it has caught up.
Links to hosts are read always: what they say ends work.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sized
from typing import NamedTuple, Protocol, cast

from holdfast.errors import WireError
from holdfast.parties.step import Event, LinkId, Received
from holdfast.runtime.config import Address
from holdfast.runtime.engine import Log
from holdfast.runtime.links import Links
from holdfast.wire.codec import decode
from holdfast.wire.dialect import Dialect
from holdfast.wire.framing import Frames
from holdfast.wire.message import swapped_tpdu


class Limits(NamedTuple):
    """What a peer may do to us. A rest of 0 seconds is no limit."""

    half_frame_s: float = 10.0
    rest_s: float = 600.0
    unread_bytes_max: int = 256 * 1024
    unreadable_max: int = 16
    """So many frames in a row that are no message, and the link is closed: nobody there speaks our dialect."""
    waiting_high: int = 2048
    waiting_low: int = 512
    links_max: int = 10_000
    """Whoever comes when so many are there is sent away: what we need ourselves, the database above all, goes first."""


HOST_LIMITS = Limits(rest_s=0.0)
"""Between hosts a night without a message is no reason to hang up; TCP itself finds out whether the peer lives."""

RECONNECT_S_MIN, RECONNECT_S_MAX = 0.1, 2.0
CONNECT_TIMEOUT_S = 5.0

_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""A peer that vanished without a word is found out within a minute."""


class Queue(Protocol):
    """Where messages wait to be decided on: the engine."""

    @property
    def waiting(self) -> Sized:
        """What waits."""

    def offer(self, event: Event) -> None:
        """One more."""


class Station:
    """What the links of one kind have in common: the registry, the queue, the limits, and the brake."""

    def __init__(
        self, links: Links, queue: Queue, wake: Callable[[], None], log: Log, dialect: Dialect, limits: Limits
    ) -> None:
        self.links = links
        self.log = log
        self.dialect = dialect
        self.limits = limits
        self.open: set[WireLink] = set()
        self.braked = False
        self._queue = queue
        self._wake = wake
        self._closing = False
        self._crowded = False

    def answering(self) -> "WireLink":
        """The link for a connection that somebody made to us."""
        return WireLink(self, "")

    def admits(self) -> bool:
        """Whether there is room for one more; the first one for whom there is none is logged."""
        if len(self.open) < self.limits.links_max:
            return True
        if not self._crowded:
            self._crowded = True
            self.log("too many links: sending new ones away", links=len(self.open))
        return False

    def heard(self, received: Received) -> None:
        """One message; braking begins when too many wait."""
        self._queue.offer(received)
        self._wake()
        if not self.braked and len(self._queue.waiting) >= self.limits.waiting_high:
            self.log("too much waits: not reading from links", waiting=len(self._queue.waiting))
            self._brake()

    def relax(self) -> None:
        """Read again once the engine has caught up. After each batch."""
        if self.braked and not self._closing and len(self._queue.waiting) <= self.limits.waiting_low:
            self.braked = False
            for link in self.open:
                link.read_on()

    def sweep(self) -> None:
        """Close the links whose time is over. Each second."""
        now_s = asyncio.get_running_loop().time()
        for link in list(self.open):
            link.close_if_overdue(now_s)
        self._crowded = self._crowded and len(self.open) >= self.limits.links_max

    def stop_reading(self) -> None:
        """Hear nothing new for good: what waits is finished and answered."""
        self._closing = True
        self._brake()

    def close(self) -> None:
        """Send what is still to be sent and hang up."""
        for link in list(self.open):
            link.close()

    def _brake(self) -> None:
        self.braked = True
        for link in self.open:
            link.read_no_more()


class WireLink(asyncio.Protocol):
    """One connection; `runtime.links.Link` for the engine. `host` names the peer when it is a host that we ask."""

    def __init__(self, station: Station, host: str) -> None:
        self.dialect = station.dialect
        self.tpdu = b""
        self.header = b""
        self.lost = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""
        self._station = station
        self._host = host
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._id: LinkId = 0
        self._unreadable = 0
        self._heard_s = 0.0
        self._half_since_s: float | None = None

    # --- what asyncio calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # uvloop's transports are none of asyncio's classes, though they do the same.
        stream = cast(asyncio.Transport, transport)
        if not self._host and not self._station.admits():
            stream.abort()
            return
        self._transport = stream
        self._heard_s = asyncio.get_running_loop().time()
        self._id = self._station.links.add(self, self._host)
        self._station.open.add(self)
        _set_options(stream)
        if self._station.braked:
            self.read_no_more()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        self._station.links.drop(self._id)
        self._station.open.discard(self)
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, chunk: bytes) -> None:
        """Some bytes, in pieces of any size."""
        self._heard_s = asyncio.get_running_loop().time()
        try:
            bodies = self._frames.feed(chunk)
        except WireError as error:
            self._refuse(error)
            return
        for body in bodies:
            self._take(body)
            if self._hung_up:
                return  # A chunk may hold thousands of frames: who has been sent away is not heard, nor logged, again.
        if self._frames.fault is not None:
            self._refuse(self._frames.fault)
        elif not self._frames.pending:
            self._half_since_s = None
        elif bodies or self._half_since_s is None:
            self._half_since_s = self._heard_s

    # --- what the engine calls ------------------------------------------------------------------------------------

    def write(self, frame: bytes) -> None:
        """See `Link.write`."""
        transport = self._transport
        if transport is None or self._hung_up:
            return
        transport.write(frame)
        if transport.get_write_buffer_size() > self._station.limits.unread_bytes_max:
            self._say("closed: the peer does not read its answers")
            transport.abort()

    # --- what the station calls -----------------------------------------------------------------------------------

    def read_no_more(self) -> None:
        """Leave what the peer sends in its own buffers."""
        if self._transport is not None and not self._host:
            self._transport.pause_reading()

    def read_on(self) -> None:
        """The reverse."""
        if self._transport is not None and not self._host:
            self._heard_s = asyncio.get_running_loop().time()
            self._half_since_s = None if self._half_since_s is None else self._heard_s
            self._transport.resume_reading()

    def close_if_overdue(self, now_s: float) -> None:
        """Hang up when half a frame, or silence, has lasted too long. Nobody is late while we do not read."""
        limits = self._station.limits
        if self._station.braked or self._transport is None:
            return
        if self._half_since_s is not None and now_s - self._half_since_s > limits.half_frame_s:
            self._say("closed: half a frame and no more", waited_bytes=self._frames.pending)
            self._transport.abort()
        elif limits.rest_s and now_s - self._heard_s > limits.rest_s:
            self._transport.close()

    def hang_up(self) -> None:
        """Hang up at once: nobody is believed to be there."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Hang up once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    # --- within ---------------------------------------------------------------------------------------------------

    @property
    def _hung_up(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _take(self, body: bytes) -> None:
        try:
            message = decode(self.dialect, body)
        except WireError as error:
            self._say("not a message", reason=str(error))
            self._unreadable += 1
            if self._unreadable >= self._station.limits.unreadable_max and self._transport is not None:
                self._say("closed: nothing that comes is a message")
                self._transport.abort()
            return
        self._unreadable = 0
        self.tpdu, self.header = swapped_tpdu(message.tpdu), message.header
        self._station.heard(Received(self._id, self._host, message))

    def _refuse(self, error: WireError) -> None:
        self._say("closed: the stream is out of step", reason=str(error))
        self.close()

    def _say(self, event: str, **facts: object) -> None:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        shown = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        self._station.log(event, link=self._id, peer=self._host or shown, **facts)


class HostLinks:
    """Keeps one link to each host up; where they are may change at any time."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._log = station.log
        self._keepers: dict[str, tuple[Address, asyncio.Task[None]]] = {}
        self._wanted: frozenset[str] | None = None

    def want(self, addresses: Mapping[str, Address]) -> None:
        """Be linked to these hosts and to no others."""
        self._wanted = frozenset(addresses)
        for host, (address, keeper) in list(self._keepers.items()):
            if addresses.get(host) != address:
                keeper.cancel()
                del self._keepers[host]
        for host, address in addresses.items():
            if host not in self._keepers:
                self._keepers[host] = (address, asyncio.create_task(self._keep(host, address)))

    @property
    def missing(self) -> frozenset[str] | None:
        """The hosts to which there should be a link and is none; None before anybody said which."""
        return self._wanted and self._wanted - self._station.links.hosts()

    async def close(self) -> None:
        """Let all of them go."""
        keepers = [keeper for _, keeper in self._keepers.values()]
        self.want({})
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, host: str, address: Address) -> None:
        pause_s = RECONNECT_S_MIN
        told = False
        while True:
            link = WireLink(self._station, host)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):  # wait_for may swallow a cancel (Python 3.11).
                    await connect(link, address)
            except (OSError, ValueError, TimeoutError) as error:  # ValueError: a name that cannot be a host's.
                if not told:
                    reason = getattr(error, "strerror", None) or "no answer"
                    self._log("host cannot be reached, trying on", host=host, address=str(address), reason=reason)
                told = True
            else:
                self._log("host is linked", host=host, address=str(address))
                pause_s, told = RECONNECT_S_MIN, False
                try:
                    await link.lost
                finally:
                    link.close()
                self._log("link to host is lost, connecting again", host=host, address=str(address))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_S_MAX)


async def connect(link: WireLink, address: Address) -> None:
    """Make the connection of a link; OSError when nobody listens there."""
    loop = asyncio.get_running_loop()
    if address.port is not None:
        await loop.create_connection(lambda: link, address.host, address.port)
    else:
        await loop.create_unix_connection(lambda: link, address.host)


async def listen(station: Station, listener: socket.socket) -> asyncio.AbstractServer:
    """Accept connections on a bound socket, TCP or unix."""
    loop = asyncio.get_running_loop()
    if listener.family == socket.AF_UNIX:
        return await loop.create_unix_server(station.answering, sock=listener, backlog=1024)
    return await loop.create_server(station.answering, sock=listener, backlog=1024)


def _set_options(transport: asyncio.Transport) -> None:
    """Answers leave at once, and a peer that vanished is found out."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family == socket.AF_UNIX:
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
