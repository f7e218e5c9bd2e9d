"""What a camera sees now, and what it saw: `python latest_frame.py plant-a:gate`. Needs a node that captures it."""

import sys
from datetime import timedelta

import framedb
from framedb.media import decode_image


def main(source: str) -> None:
    """Print the newest frame of a camera, and the one closest to ten seconds before it."""
    with framedb.connect() as db:
        frame = db.latest(source)
        if frame is None:
            sys.exit(f"{source} has no frames: `framedb camera list` shows which cameras run")
        image = decode_image(frame.data, format="rgb24")
        print(f"{frame.captured_at.isoformat()}  {frame.key}  {image.shape}")

        wanted = frame.captured_at - timedelta(seconds=10)
        earlier = db.at(source, wanted)
        assert earlier is not None
        distance = abs(earlier.captured_at - wanted).total_seconds()
        print(f"{earlier.captured_at.isoformat()}  {distance:.2f} s from ten seconds before that")


if __name__ == "__main__":
    main(sys.argv[1])
