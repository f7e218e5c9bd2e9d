"""The published import path of the reader: `framedb_api.framedb.FrameDB`. It re-exports, and has no logic of its own."""
