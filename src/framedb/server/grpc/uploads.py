"""An object on its way in: a header, data, an end."""

import hashlib
from collections.abc import Iterator

from framedb.errors import InvalidInputError
from framedb.proto import objects_pb2 as pb


class Upload:
    """The messages of one `PutObject`, checked as they come.

    An upload whose peer vanished ends just as one that was done: grpcio tells both as the end of the messages. So only the
    end message, or all the bytes that the header announced, make it whole.
    """

    def __init__(self, messages: Iterator[pb.PutObjectRequest]) -> None:
        self._messages = messages
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes so far."""
        self.header = self._header()
        """The first message."""

    @property
    def sha256(self) -> bytes:
        """Digest of the data so far."""
        return self._digest.digest()

    def pieces(self) -> Iterator[bytes]:
        """The data. Raises InvalidInputError at the end if it is not whole, or another than its sender says."""
        for message in self._messages:
            part = message.WhichOneof("part")
            if part == "end":
                self._check(message.end.sha256 if message.end.HasField("sha256") else None)
                return
            if part == "header":
                raise InvalidInputError("the header came a second time: send it once, as the first message")
            self._digest.update(message.data)
            self.size += len(message.data)
            if self.header.HasField("size") and self.size > self.header.size:
                raise InvalidInputError(f"{self._name}: more bytes came than the {self.header.size} it announced")
            yield message.data
        if not self.header.HasField("size") or self.size < self.header.size:
            raise InvalidInputError(
                f"{self._name}: the upload broke off after {self.size} bytes, and nothing was stored: send it again, with "
                f"an end message"
            )
        self._check(None)

    def _header(self) -> pb.PutObjectHeader:
        first = next(self._messages, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidInputError("the first message of an upload must be its header")
        return first.header

    def _check(self, at_end: bytes | None) -> None:
        if self.header.HasField("size") and self.size != self.header.size:
            raise InvalidInputError(
                f"{self._name}: {self.size} bytes came of the {self.header.size} it announced; nothing was stored"
            )
        in_header = self.header.sha256 if self.header.HasField("sha256") else None
        for wanted in (in_header, at_end):
            if wanted is not None and wanted != self.sha256:
                raise InvalidInputError(
                    f"{self._name}: its SHA-256 is {self.sha256.hex()}, not {wanted.hex()}: it was damaged on its way, and "
                    f"nothing was stored; send it again"
                )

    @property
    def _name(self) -> str:
        return repr(self.header.key) if self.header.key else "an object without a key"
