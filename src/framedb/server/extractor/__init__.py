"""The HTTP face of video jobs.

Here: submitting videos, how jobs stand, and their frames, as the published API has them and beyond it. Not here: what a job
does (`extraction`), or where frames lie (`stores`).
"""
