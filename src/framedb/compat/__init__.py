"""What programs written against earlier FrameDB deployments import: `framedb_api` and `framedb_writer_client`.

Here: their classes, with their published spelling and their `(ok, value)` answers, over the same tiers and stores as the SDK.
Not here: anything a new program needs (`client`), and no rule about frames: it is a face.
"""
