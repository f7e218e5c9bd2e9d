"""Which cluster a source's frames go to, and how they get there when that changes.

Here: placing, moving and removing, where rows, policies, epochs and frames must change in the right order; how a cluster is
reached; the channel that tells readers of it; persistent instances. Not here: the rows by themselves (`routing`), processes
(`clusters`), what a store can do with frames (`stores`), or reading over several places (`tiering`).
"""
