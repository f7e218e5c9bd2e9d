// One frame large, and a timeline to scrub through all of a job's frames.
import { part, say } from "./elements.js";
import { frameAt, isUnderWay, pictureOf, spread } from "./job_api.js";
import { count, place, size } from "./wording.js";

const LARGE = 1280; // pixels wide
const SMALL = 256;
const FILM = 16; // pictures below the timeline
const PAUSE = 120; // ms the hand rests before the large picture is asked for

/** A viewer of a job in `container`: `update(job)` with how it stands, `show(index)` one of its frames. */
export function openViewer(container, name, job) {
  container.replaceChildren(document.getElementById("viewer-template").content.cloneNode(true));
  const scrub = part(container, "scrub");
  const film = part(container, "film");
  const image = part(container, "image");
  let frames = 0; // how many there are
  let wanted = 0;
  let current = null;
  let looking = false;
  let resting = null;

  /** Where the hand is by then: while one frame is looked for, those it passes over are not. */
  async function show(index) {
    wanted = Math.min(Math.max(index, 0), frames - 1);
    scrub.value = wanted;
    if (looking) return;
    looking = true;
    try {
      let frame;
      let sought;
      do {
        sought = wanted;
        frame = await frameAt(job.job_id, sought);
      } while (sought !== wanted);
      if (frame && container.isConnected) display(frame);
    } catch (error) {
      if (error.status === undefined) throw error;
      say(part(container, "facts"), error.message);
    } finally {
      looking = false;
    }
  }

  function display(frame) {
    current = frame;
    scrub.value = frame.index;
    scrub.setAttribute("aria-valuetext", `${place(frame.timestamp)}, frame ${frame.index + 1} of ${frames}`);
    part(container, "full").href = pictureOf(job.job_id, frame.index);
    say(part(container, "time"), place(frame.timestamp));
    say(part(container, "facts"), `frame ${count(frame.index + 1)} of ${count(frames)} · ${size(frame.file_size)}`);
    image.alt = `Frame of ${name} at ${place(frame.timestamp)}. Opens in full size.`;
    image.src = pictureOf(job.job_id, frame.index, SMALL); // most likely here already
    clearTimeout(resting);
    resting = setTimeout(() => enlarge(frame), PAUSE);
    mark();
  }

  /** The large picture, once it is whole: until then the small one stays. */
  async function enlarge(frame) {
    const large = new Image();
    large.src = pictureOf(job.job_id, frame.index, LARGE);
    await large.decode().catch(() => {});
    if (current === frame && large.naturalWidth) image.src = large.src;
  }

  function mark() {
    part(container, "back").disabled = !current || current.index === 0;
    part(container, "on").disabled = !current || current.index >= frames - 1;
    const cells = [...film.children];
    const here = cells.findLastIndex((cell) => Number(cell.dataset.index) <= (current?.index ?? 0));
    cells.forEach((cell, number) => cell.classList.toggle("here", number === here));
  }

  function update(now) {
    const known = isUnderWay(now) ? now.processed_frames : (now.total_frames ?? now.processed_frames);
    if (known === frames) return;
    frames = known;
    scrub.max = frames - 1;
    film.replaceChildren(...spread([...Array(frames).keys()], FILM).map((index) => cell(job.job_id, index)));
    mark();
  }

  image.addEventListener("load", () => image.style.setProperty("--shape", `${image.naturalWidth} / ${image.naturalHeight}`));
  scrub.addEventListener("input", () => show(Number(scrub.value)));
  film.addEventListener("click", ({ target }) => target.dataset.index && show(Number(target.dataset.index)));
  part(container, "back").addEventListener("click", () => show(wanted - 1));
  part(container, "on").addEventListener("click", () => show(wanted + 1));
  update(job);
  return { update, show };
}

function cell(id, index) {
  const image = document.createElement("img");
  image.src = pictureOf(id, index, SMALL);
  image.alt = "";
  image.dataset.index = index;
  image.addEventListener("error", () => (image.hidden = true)); // one that was lost, or is still to come
  return image;
}
