// The strip of small pictures on a job's card.
import { keyed } from "./elements.js";
import { isUnderWay, pictureOf, someFrames } from "./job_api.js";
import { place } from "./wording.js";

const NARROWEST = 100; // pixels, of one picture
const ASKED = 256; // pixels wide: sharp on dense screens too

/** As many of the job's frames as fit. */
export async function showStrip(strip, job) {
  strip.hidden = false;
  const fitting = Math.max(2, Math.floor(strip.clientWidth / NARROWEST));
  strip.style.setProperty("--fitting", fitting);
  const frames = await someFrames(job, fitting);
  strip.hidden = frames.length === 0;
  keyed(strip, frames, { key: (frame) => frame.index, make: (frame) => make(frame, isUnderWay(job)), update: () => {} });
}

function make(frame, arriving) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = document.createElement("img");
  const time = document.createElement("span");
  item.classList.toggle("arrived", arriving);
  button.type = "button";
  button.dataset.frame = frame.index;
  button.setAttribute("aria-label", `Look at the frame at ${place(frame.timestamp)}`);
  image.src = pictureOf(frame.job_id, frame.index, ASKED);
  image.alt = "";
  time.textContent = place(frame.timestamp);
  button.append(image, time);
  item.append(button);
  return item;
}
