"""A function for every frame: `framedb work score:score`, in this folder. Any number of workers may run at once."""

from framedb import Frame
from framedb.media import decode_image


def score(frame: Frame) -> None:
    """Print how bright the frame is. When this returns, the frame is done; when it raises, it is tried again."""
    image = decode_image(frame.data, format="gray")
    print(f"{frame.source} {frame.captured_at:%H:%M:%S.%f} brightness {image.mean():.1f}", flush=True)
