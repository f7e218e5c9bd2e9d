"""Which cluster a source's frames go to.

Here: placing a source, putting its policy where its frames go, and answering how it is reached. Not here: the rows
(`routing`), the processes (`clusters`), the frames (`stores`).
"""
