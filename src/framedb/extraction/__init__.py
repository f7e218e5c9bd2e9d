"""Frames out of videos: which ones, and as jobs that survive their workers.

Here: choosing frames, planning them into segments, the jobs that workers share, where videos may come from. Not here:
decoding and encoding (`media`), the files of frames (`stores.files`), or what a job looks like over HTTP (`server`).
"""
