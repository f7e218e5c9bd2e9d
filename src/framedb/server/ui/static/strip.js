// The strip of small pictures on a job's card.
import { keyed } from "./elements.js";
import { isUnderWay, pictureOf, someFrames } from "./job_api.js";
import { place } from "./wording.js";

const NARROWEST = 100; // pixels, of one picture
const ASKED = 256; // pixels wide: sharp on dense screens too

/** As many of the job's frames as fit. Those that are there stay until all new ones can be drawn. */
export async function showStrip(strip, job) {
  // Nothing runs away from under a finger that is about to press, nor from the keyboard.
  if (isUnderWay(job) && strip.matches(":hover, :focus-within") && strip.childElementCount) return;
  const fitting = Math.max(2, Math.floor(strip.clientWidth / NARROWEST));
  strip.style.setProperty("--fitting", fitting);
  const frames = await someFrames(job, fitting);
  const there = new Set([...strip.children].map((item) => item.dataset.key));
  const added = frames.filter((frame) => !there.has(String(frame.index)));
  const images = new Map(added.map((frame) => [frame.index, imageOf(frame)]));
  if (there.size) await Promise.all([...images.values()].map((image) => image.decode().catch(() => {})));
  strip.hidden = frames.length === 0 && !isUnderWay(job);
  keyed(strip, frames, {
    key: (frame) => frame.index,
    make: (frame) => make(frame, images.get(frame.index), isUnderWay(job)),
    update: () => {},
  });
}

function imageOf(frame) {
  const image = new Image();
  image.src = pictureOf(frame.job_id, frame.index, ASKED);
  image.alt = "";
  return image;
}

function make(frame, image, arriving) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const time = document.createElement("span");
  item.classList.toggle("arrived", arriving);
  button.type = "button";
  button.dataset.frame = frame.index;
  button.setAttribute("aria-label", `View the frame at ${place(frame.timestamp)}`);
  time.textContent = place(frame.timestamp);
  button.append(image, time);
  item.append(button);
  return item;
}
