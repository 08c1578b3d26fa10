"""Where a sent message goes: links by id, hosts by name, and who waits for the answer to which trace key.

All of this is memory of one worker and may be lost: a send to a link that is gone is dropped, and whoever waits asks
again or reverses.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from holdfast.keys.interface import Keys
from holdfast.parties.step import HangUp, LinkId, Outcome, Outgoing, Seal
from holdfast.wire.codec import encode
from holdfast.wire.dialect import Dialect
from holdfast.wire.framing import frame
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, put_mac


class Link(Protocol):
    """One connection as the engine sees it."""

    dialect: Dialect
    tpdu: bytes
    """TPDU and header for messages of ours: those of a reply to what was received last, b"" for the default."""
    header: bytes

    def write(self, frame: bytes) -> None:
        """Send these bytes, or drop them when the link is dead; never raises."""

    def hang_up(self) -> None:
        """End the connection; never raises. Its machine learns of it as of any other end."""


class Sending(NamedTuple):
    """Bytes ready for a link; `to` is what they were addressed to."""

    to: LinkId | str
    link: Link
    frame: bytes


class Answering(NamedTuple):
    """An outcome ready for whoever gave the command."""

    to: LinkId | str
    tell: Callable[[Mapping[str, Any]], None]
    value: Mapping[str, Any]


class Ending(NamedTuple):
    """A link that is given up."""

    to: str
    link: Link


Ready = Sending | Answering | Ending


class Links:
    """The links, callers and waits of one worker."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._links: dict[LinkId, Link] = {}
        self._callers: dict[LinkId, Callable[[Mapping[str, Any]], None]] = {}
        self._hosts: dict[str, LinkId] = {}
        self._waits: dict[str, LinkId] = {}
        self._waited_on: dict[LinkId, set[str]] = {}
        self._seals: dict[str, Seal] = {}
        """What an answer that is waited for is sealed with, where its step does not know: by trace key."""
        self._last_id = 0

    def add(self, link: Link, host: str = "") -> LinkId:
        """A new link; `host` names whom it leads to, when it is one of ours to a host."""
        self._last_id += 1
        self._links[self._last_id] = link
        if host:
            self._hosts[host] = self._last_id
        return self._last_id

    def add_caller(self, tell: Callable[[Mapping[str, Any]], None]) -> LinkId:
        """Somebody who waits for the outcome of a command."""
        self._last_id += 1
        self._callers[self._last_id] = tell
        return self._last_id

    def drop(self, link_id: LinkId) -> None:
        """The link is gone, and with it whoever waited on it."""
        self._links.pop(link_id, None)
        self._callers.pop(link_id, None)
        self._hosts = {host: known for host, known in self._hosts.items() if known != link_id}
        for trace_key in self._waited_on.pop(link_id, ()):
            if self._waits.get(trace_key) == link_id:
                del self._waits[trace_key]
                self._seals.pop(trace_key, None)

    def hosts(self) -> frozenset[str]:
        """The hosts to which a link is up."""
        return frozenset(self._hosts)

    def wait(self, trace_key: str, link_id: LinkId, seal: Seal | None = None) -> None:
        """The answer to this trace key goes to this link, the newest one that asked, and is sealed as this says.

        Who is gone by now waits no more: nobody would ever take that wait back.
        """
        if link_id not in self._links and link_id not in self._callers:
            return
        self._waits[trace_key] = link_id
        if seal is not None:
            self._seals[trace_key] = seal
        self._waited_on.setdefault(link_id, set()).add(trace_key)

    def _resolve(self, to: LinkId | str) -> LinkId | None:
        if isinstance(to, int):
            return to
        if to in self._hosts:
            return self._hosts[to]
        return self._waits.get(to)

    def prepare(self, send: Outgoing | Outcome | HangUp) -> Ready | None:
        """Encode and seal; None when nobody is there any more. Nothing leaves before `deliver`."""
        link_id = self._resolve(send.to)
        if link_id is None:
            return None
        if isinstance(send, Outcome):
            tell = self._callers.get(link_id)
            return None if tell is None else Answering(send.to, tell, send.value)
        link = self._links.get(link_id)
        if link is None:
            return None
        if isinstance(send, HangUp):
            return Ending(send.to, link)
        seal = self._seals.get(send.to, send.seal) if isinstance(send.to, str) else send.seal
        return Sending(send.to, link, self._sealed(link, send.message, seal))

    def deliver(self, ready: Iterable[Ready]) -> None:
        """Let go what is durable now; an answer that was waited for is waited for no more."""
        for sending in ready:
            if isinstance(sending, Sending):
                sending.link.write(sending.frame)
            elif isinstance(sending, Answering):
                sending.tell(sending.value)
            else:
                sending.link.hang_up()
            if isinstance(sending.to, str) and sending.to in self._waits:
                self._waited_on[self._waits.pop(sending.to)].discard(sending.to)
                self._seals.pop(sending.to, None)

    def _sealed(self, link: Link, message: Message, seal: Seal | None) -> bytes:
        message.tpdu, message.header = link.tpdu, link.header
        body = encode(link.dialect, message)
        if seal is not None:
            key, algorithm = seal
            body = put_mac(body, self._keys.mac(key, algorithm, mac_block(link.dialect, body)))
        return frame(body)
