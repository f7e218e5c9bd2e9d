"""Working on a claimed segment: a plan, or frames, out of a video."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from framedb.errors import FrameDBError, InvalidInputError, MediaError, StoreFullError
from framedb.extraction.claims import Claim, Claims
from framedb.extraction.contents import FrameContents
from framedb.extraction.jobs import JobFrame
from framedb.extraction.live import LastFrame, LiveExtraction
from framedb.extraction.naming import file_names, next_file_name
from framedb.extraction.plan import Segment, plan, plan_live
from framedb.extraction.relay import Relay
from framedb.extraction.segment import ExtractedFrame, extract
from framedb.extraction.sources import VideoSource, check_still_there
from framedb.frame import utc_now
from framedb.media import probe, read_index

logger = logging.getLogger(__name__)

_BATCH = 16  # frames in one report
_PAUSE = 3.0  # seconds until what a store interrupted is tried again
_SOON = 0.3  # seconds after which fewer are reported too: somebody is looking on


class Extractor:
    """Does what a claim asks for. Any number of threads may use it at once."""

    def __init__(self, claims: Claims, frames: FrameContents, relay: Relay) -> None:
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
            if claim.segment is None:
                self._plan(claim, should_stop)
            else:
                self._extract(claim, claim.segment, should_stop)
        except (MediaError, InvalidInputError) as exc:
            if not should_stop():  # that is what went wrong, then
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
    def _opened(self, source: VideoSource, should_stop: Callable[[], bool]) -> Iterator[str]:
        if source.kind in ("object", "url"):
            with self._relay.url_of(source, should_stop) as url:
                yield url
            return
        check_still_there(source)
        try:
            yield source.place
        except MediaError as exc:
            exc.args = (str(exc).replace(source.place, source.name),)
            raise

    def _plan(self, claim: Claim, should_stop: Callable[[], bool]) -> None:
        lost: str | None = None
        total: int | None = None
        with self._opened(claim.source, should_stop) as url:
            if claim.source.live:
                segment, total = plan_live(claim.selection, probe(url).duration)
                segments = [segment]
            else:
                index = read_index(url, should_stop=should_stop)
                segments, lost = plan(index, claim.selection, should_stop=should_stop), index.lost
        if should_stop():
            return
        names = file_names(target.time for segment in segments for target in segment.targets)
        self._claims.planned(claim, segments, names, warning=lost, total=total)
        told = {"job_id": claim.job_id, "frames": len(names), "segments": len(segments)}
        logger.info("job planned", extra=told)

    def _extract(self, claim: Claim, segment: Segment, should_stop: Callable[[], bool]) -> None:
        with self._opened(claim.source, should_stop) as url:
            if segment.live:
                after = self._claims.last_frame(claim.job_id)
                stream = LiveExtraction(url, claim.selection, name=claim.source.name, after=after)
                done = self._store(claim, _named(stream.frames(should_stop), after))
                lost = stream.lost
            else:
                frames = extract(url, segment, threads=1, should_stop=should_stop)
                done = self._store(claim, ((frame, claim.names[frame.index]) for frame in frames))
                lost = _lost(segment, done or {})
        if done is not None and not should_stop():
            self._claims.complete(claim, lost=lost)

    def _store(self, claim: Claim, frames: Iterable[tuple[ExtractedFrame, str]]) -> dict[int, bool] | None:
        """Keep these frames under these names, and report them; whether each was damaged. None: nobody wants them any more."""
        done: dict[int, bool] = {}
        batch: list[JobFrame] = []
        reported = time.monotonic()
        for frame, name in frames:
            batch.append(self._kept(claim, frame, name))
            done[frame.index] = frame.corrupt
            if len(batch) == _BATCH or time.monotonic() - reported > _SOON:
                if not self._report(claim, batch):
                    return None
                batch, reported = [], time.monotonic()
        return done if self._report(claim, batch) else None

    def _kept(self, claim: Claim, frame: ExtractedFrame, name: str) -> JobFrame:
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
        with self._frames.published({frame.checksum for frame in frames}):
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


def _named(frames: Iterable[ExtractedFrame], after: LastFrame | None) -> Iterator[tuple[ExtractedFrame, str]]:
    """The frames of a stream, each with the name of its file."""
    before = None if after is None else after.time
    for frame in frames:
        yield frame, next_file_name(frame.time, before)
        before = frame.time


def _lost(segment: Segment, done: Mapping[int, bool]) -> str | None:
    """What of a segment could not be had, for a person, after these frames of it were: each damaged or not."""
    begin, end = segment.targets[0].time, segment.targets[-1].time
    counts = {"could not be decoded": len(segment.targets) - len(done), "came out damaged": sum(done.values())}
    told = [
        f"{count} {'frame' if count == 1 else 'frames'} between {begin:.2f} and {end:.2f} s {what}"
        for what, count in counts.items()
        if count
    ]
    return "; ".join(told) or None
