"""A whole frame as an HTTP answer."""

import json

from fastapi import Response

from framedb.errors import NotFoundError
from framedb.frame import Frame
from framedb.stores.description import DESCRIPTION_HEADER, describe

_IMAGES = ("jpeg", "png", "webp")


def frame_response(frame: Frame | None, nothing: str) -> Response:
    """The frame's bytes, and what is known of them. Raises NotFoundError, saying `nothing`, for none."""
    if frame is None:
        raise NotFoundError(nothing)
    headers = {DESCRIPTION_HEADER: json.dumps(describe(frame))}
    media_type = f"image/{frame.encoding}" if frame.encoding in _IMAGES else "application/octet-stream"
    return Response(bytes(frame.view()), headers=headers, media_type=media_type)
