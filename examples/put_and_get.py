"""Bytes and arrays in and out, by key. Needs a node: `framedb up`."""

import numpy as np

import framedb


def main() -> None:
    """Put, get, read into an array of one's own, delete."""
    with framedb.connect() as db:
        # In memory, for a minute.
        db.put("example:note", b"any bytes", ttl=60)
        note = db.get("example:note")
        assert note is not None
        print(note.key, bytes(note.view()))

        # An array keeps its shape and type.
        picture = np.zeros((360, 640, 3), dtype=np.uint8)
        db.put("example:picture", picture, ttl=60)
        frame = db.get("example:picture")
        assert frame is not None
        print(frame.key, frame.array().shape, frame.array().dtype)

        # Straight into memory you hold, with no copy in between.
        mine = np.empty_like(picture)
        print("read", db.get_into("example:picture", mine.data), "bytes")

        # On disk: when `put` returns, it is there to stay.
        db.put("example:reference", b"kept", durable=True)
        print(sorted(db.scan("example:")))

        print("removed", db.delete("example:note", "example:picture", "example:reference"))
        assert db.get("example:note") is None  # absence is None, not an error


if __name__ == "__main__":
    main()
