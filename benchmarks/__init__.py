"""How fast FrameDB is beside the alternatives: `python -m benchmarks`, or `make bench`.

Here: one file per comparison, each side of it a small program of its own. A figure is a ratio of two times measured in the
same run, one after the other, since machines differ and are shared. Not here: assertions (tests never measure time).
"""
