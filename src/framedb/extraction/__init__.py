"""Frames out of videos: which ones, and as jobs that survive their workers.

Here: choosing the frames on screen at wanted times, and the jobs that extract them into the durable tier. Not here:
decoding and encoding (`media`), or what a job looks like over HTTP (`server`).
"""
