"""The token that a caller presents."""

import base64
import binascii


def presented(authorization: str) -> bytes:
    """The token in a Bearer header, or as the password of a Basic one, for older HTTP clients; nothing if there is none."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
