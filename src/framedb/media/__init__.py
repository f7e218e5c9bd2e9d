"""The door to moving pictures: cameras, video files, images.

Here: open, decode, sample, encode. `import av` is said here and nowhere else; its errors become FrameDB's here. Not here:
what becomes of a frame (`capture`, `extraction`), or where its bytes lie (`stores`).
"""

from framedb.media.exact import ExactDecoder, Run, pictures_at, runs_of
from framedb.media.image import decode_image, image_size
from framedb.media.index import VideoIndex, read_index
from framedb.media.jpeg import JPEGEncoder
from framedb.media.orientation import oriented
from framedb.media.picture import Picture
from framedb.media.probe import MediaInfo, probe
from framedb.media.sampler import Sampler
from framedb.media.scaling import SheetLayout, contact_sheet, scaled
from framedb.media.scenes import scene_changes
from framedb.media.shown import each_frame, shown_at
from framedb.media.source import MediaSource, parse_url
from framedb.media.video import Video, open_video

__all__ = [
    "ExactDecoder",
    "JPEGEncoder",
    "MediaInfo",
    "MediaSource",
    "Picture",
    "Run",
    "Sampler",
    "SheetLayout",
    "Video",
    "VideoIndex",
    "contact_sheet",
    "decode_image",
    "each_frame",
    "image_size",
    "open_video",
    "oriented",
    "parse_url",
    "pictures_at",
    "probe",
    "read_index",
    "runs_of",
    "scaled",
    "scene_changes",
    "shown_at",
]
