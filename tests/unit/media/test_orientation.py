"""Which way up a JPEG is shown."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from framedb.extraction.plan import plan
from framedb.extraction.segment import extract
from framedb.extraction.selection import Selection
from framedb.media.index import read_index
from tests.integration.extraction import ffmpeg


@pytest.mark.parametrize(("metadata", "rotation"), [("90", 270), ("180", 180), ("270", 90)])
def test_viewers_turn_a_picture_as_players_turn_its_video(metadata: str, rotation: int, tmp_path: Path) -> None:
    flat = tmp_path / "flat.mp4"
    ffmpeg.run("-f", "lavfi", "-i", "testsrc=size=128x64:rate=5:duration=1", "-c:v", "libx264", str(flat))
    turned, shown = tmp_path / "turned.mp4", tmp_path / "shown.png"
    ffmpeg.run("-i", str(flat), "-c", "copy", "-metadata:s:v:0", f"rotate={metadata}", str(turned))
    ffmpeg.run("-i", str(turned), "-frames:v", "1", str(shown))
    [segment] = plan(read_index(str(turned)), Selection(times=(0.0,)))
    [frame] = extract(str(turned), segment)
    ours = ImageOps.exif_transpose(Image.open(BytesIO(frame.data)))
    theirs = Image.open(shown).convert("RGB")
    assert ours.size == theirs.size
    difference = [
        abs(a - b) for a, b in zip(ours.resize((8, 8)).tobytes(), theirs.resize((8, 8)).tobytes(), strict=True)
    ]
    assert sum(difference) / len(difference) < 12, rotation
