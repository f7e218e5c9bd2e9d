"""The door to moving pictures: cameras, video files, images.

Here: open, decode, sample, encode. `import av` is said here and nowhere else; its errors become FrameDB's here. Not here:
what becomes of a frame (`capture`, `extraction`), or where its bytes lie (`stores`).
"""

from framedb.media.image import decode_image, image_size
from framedb.media.jpeg import JPEGEncoder
from framedb.media.picture import Picture
from framedb.media.probe import MediaInfo, probe
from framedb.media.sampler import Sampler
from framedb.media.source import MediaSource, parse_url
from framedb.media.video import Video, open_video

__all__ = [
    "JPEGEncoder",
    "MediaInfo",
    "MediaSource",
    "Picture",
    "Sampler",
    "Video",
    "decode_image",
    "image_size",
    "open_video",
    "parse_url",
    "probe",
]
