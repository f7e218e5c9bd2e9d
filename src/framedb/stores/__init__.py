"""Where frames lie: in memory, in SQL, in files.

Here: one file per kind of store, all behind `base.FrameStore` and its one contract suite. Not here: which store a key
is in (`tiering`), where a cluster is (`routing`, `clusters`), or what a frame is (`frame`).
"""
