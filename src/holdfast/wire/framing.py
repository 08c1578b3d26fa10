"""A stream of bytes is cut into frames by a length prefix alone; what a frame says is not known here.

`[2 bytes, big-endian: how many follow][that many bytes]`. Terminals and the link between acquirer and issuer use the
same prefix. A prefix that cannot be right means that the place in the stream is lost: there is no way to go on, so the
link is to be closed.
"""

from holdfast.errors import WireError

PREFIX_BYTES = 2

FRAME_BYTES_MIN = 12
"""An ASCII MTI and one bitmap: nothing shorter is a message of any dialect."""

FRAME_BYTES_MAX = 4096
"""More than all fields of either dialect at their longest (a test adds them up)."""


def frame(body: bytes) -> bytes:
    """The body with its length prefix; WireError when the prefix cannot express its length."""
    if len(body) > 0xFFFF:
        raise WireError("length", 0, f"{len(body)} bytes do not fit a frame of 65535")
    return len(body).to_bytes(PREFIX_BYTES, "big") + body


class Frames:
    """Collects what a link delivers, in pieces of any size, and hands out whole frame bodies.

    A frame must have `frame_bytes_min` to `frame_bytes_max` bytes after its prefix.
    """

    __slots__ = ("_waiting", "fault", "frame_bytes_max", "frame_bytes_min")

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX, frame_bytes_min: int = FRAME_BYTES_MIN) -> None:
        assert 0 < frame_bytes_min <= frame_bytes_max <= 0xFFFF, "no frame could pass these limits"
        self.frame_bytes_max = frame_bytes_max
        self.frame_bytes_min = frame_bytes_min
        self.fault: WireError | None = None
        """Set when a wrong prefix followed good frames in one chunk: the frames were returned, the next feed raises."""
        self._waiting = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are waiting."""
        return len(self._waiting)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes what arrived and returns the bodies that are now whole; WireError("length") for a wrong prefix.

        Frames before a wrong prefix are still returned, so the result does not depend on how the stream was cut.
        """
        if self.fault is not None:
            raise self.fault
        waiting = self._waiting
        waiting += chunk
        bodies: list[bytes] = []
        start = 0
        while len(waiting) - start >= PREFIX_BYTES:
            length = waiting[start] << 8 | waiting[start + 1]
            self.fault = self._objection(length)
            end = start + PREFIX_BYTES + length
            if self.fault is not None or end > len(waiting):
                break
            bodies.append(bytes(waiting[start + PREFIX_BYTES : end]))
            start = end
        del waiting[:start]
        if self.fault is not None and not bodies:
            raise self.fault
        return bodies

    def _objection(self, length: int) -> WireError | None:
        if length == 0:
            return WireError("length", 0, "a frame of no bytes")
        if length < self.frame_bytes_min:
            return WireError("length", 0, f"{length} bytes are fewer than the {self.frame_bytes_min} of any message")
        if length > self.frame_bytes_max:
            return WireError("length", 0, f"{length} bytes are over {self.frame_bytes_max}")
        return None
