"""Working on a claimed segment: a plan, or frames, out of a video."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from framedb.errors import FrameDBError, InvalidInputError, MediaError, StoreFullError
from framedb.extraction.claims import Claim, Claims
from framedb.extraction.jobs import JobFrame
from framedb.extraction.naming import file_names
from framedb.extraction.plan import Segment, plan
from framedb.extraction.relay import Relay
from framedb.extraction.segment import ExtractedFrame, extract
from framedb.extraction.sources import VideoSource, check_still_there
from framedb.frame import utc_now
from framedb.media import read_index
from framedb.stores.files import FrameFolder

logger = logging.getLogger(__name__)

_BATCH = 16  # frames in one report
_PAUSE = 3.0  # seconds until what a store interrupted is tried again
_SOON = 0.3  # seconds after which fewer are reported too: somebody is looking on


class Extractor:
    """Does what a claim asks for. Any number of threads may use it at once."""

    def __init__(self, claims: Claims, frames: FrameFolder, relay: Relay) -> None:
        self._claims = claims
        self._frames = frames
        self._relay = relay

    def work_on(self, claim: Claim, should_stop: Callable[[], bool]) -> None:
        """Do it, until `should_stop`, which is looked at between packets; then it is given back.

        A video that cannot be read fails its job, with the reason; of one that is damaged, the rest is done. Where a store
        does not answer, the segment is given back and tried again.
        """
        told = {"job_id": claim.job_id, "segment": claim.number}
        pause = 0.0
        try:
            with self._opened(claim.source) as url:
                if claim.segment is None:
                    self._plan(claim, url, should_stop)
                else:
                    self._extract(claim, claim.segment, url, should_stop)
        except (MediaError, InvalidInputError) as exc:
            self._spoilt(claim, str(exc))
        except StoreFullError as exc:
            logger.error("job failed: %s", exc, extra=told)  # noqa: TRY400  (the reason is enough)
            self._claims.fail(claim, str(exc))
        except FrameDBError as exc:
            logger.warning("segment interrupted: %s", exc, extra=told)
            pause = _PAUSE
        finally:
            self._claims.release(claim, pause=pause)  # does nothing to one that is done

    @contextmanager
    def _opened(self, source: VideoSource) -> Iterator[str]:
        if source.kind in ("object", "url") and not source.place.lower().startswith("rtsp"):
            with self._relay.url_of(source) as url:
                yield url
            return
        check_still_there(source)
        try:
            yield source.place
        except MediaError as exc:
            exc.args = (str(exc).replace(source.place, source.name),)
            raise

    def _plan(self, claim: Claim, url: str, should_stop: Callable[[], bool]) -> None:
        index = read_index(url, should_stop=should_stop)
        if should_stop():
            return
        segments = plan(index, claim.selection)
        if should_stop():
            return
        names = file_names(target.time for segment in segments for target in segment.targets)
        self._claims.planned(claim, segments, names, warning=index.lost)
        told = {"job_id": claim.job_id, "frames": len(names), "segments": len(segments)}
        logger.info("job planned", extra=told)

    def _extract(self, claim: Claim, segment: Segment, url: str, should_stop: Callable[[], bool]) -> None:
        done: set[int] = set()
        batch: list[JobFrame] = []
        reported = time.monotonic()
        for frame in extract(url, segment, threads=1, should_stop=should_stop):
            batch.append(self._kept(claim, frame))
            if len(batch) == _BATCH or time.monotonic() - reported > _SOON:
                if not self._report(claim, batch):
                    return
                done.update(each.index for each in batch)
                batch, reported = [], time.monotonic()
        if not self._report(claim, batch) or should_stop():
            return
        done.update(each.index for each in batch)
        missing = len(segment.targets) - len(done)
        begin, end = segment.targets[0].time, segment.targets[-1].time
        lost = f"{missing} frames between {begin:.2f} and {end:.2f} s could not be decoded" if missing else None
        self._claims.complete(claim, lost=lost)

    def _kept(self, claim: Claim, frame: ExtractedFrame) -> JobFrame:
        name = claim.names[frame.index]
        return JobFrame(
            claim.job_id,
            frame.index,
            frame.time,
            None if frame.pts is None else float(frame.pts * frame.time_base),
            self._frames.keep(frame.data, claim.job_id, name),
            len(frame.data),
            frame.width,
            frame.height,
            utc_now(),
            f"{claim.job_id}/{name}",
        )

    def _report(self, claim: Claim, frames: list[JobFrame]) -> bool:
        """False when they are not wanted any more; then those of a job that is gone are removed again."""
        if self._claims.put_frames(claim, frames):
            return True
        logger.info("claim lost or cancelled", extra={"job_id": claim.job_id, "segment": claim.number})
        if not self._claims.is_there(claim.job_id):
            self._frames.remove_job(claim.job_id, {frame.checksum for frame in frames})
        return False

    def _spoilt(self, claim: Claim, why: str) -> None:
        logger.warning("video cannot be read: %s", why, extra={"job_id": claim.job_id, "segment": claim.number})
        if claim.segment is None:
            self._claims.fail(claim, why)
        else:
            self._claims.complete(claim, lost=why)
