// Finding a frame by its source and time.
import { notice, part, say } from "./elements.js";
import { picture, put } from "./picture.js";
import { count, date, place, time } from "./wording.js";

export function showSearch(section) {
  const form = section.querySelector("#find");
  const found = section.querySelector("#found");
  form.elements.at.value = localTime(new Date());

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const at = new Date(form.elements.at.value);
    const asked = new URLSearchParams({ at: at.toISOString(), memory: "true" });
    if (form.elements.tolerance.value) asked.set("tolerance", form.elements.tolerance.value);
    look(form, found, `nearest?${asked}`, at);
  });
  part(section, "latest").addEventListener("click", () => {
    if (form.elements.source.reportValidity()) look(form, found, "latest?memory=true", null);
  });
}

async function look(form, found, route, at) {
  const said = part(form, "said");
  notice(said, "");
  try {
    const source = form.elements.source.value.trim();
    show(found, await picture(`/v1/sources/${encodeURIComponent(source)}/${route}`), at);
  } catch (error) {
    nothing(found); // what was found before is no answer to this
    notice(said, error.message, error.status === 404 ? "warn" : "bad");
  }
}

function nothing(found) {
  part(found, "empty").hidden = false;
  part(found, "caption").hidden = true;
  part(found, "full").hidden = true;
}

function show(found, { frame, url }, at) {
  const captured = time(frame.captured_at);
  const link = part(found, "full");
  part(found, "empty").hidden = true;
  part(found, "caption").hidden = false;
  link.hidden = !url;
  link.href = `/v1/objects/${encodeURIComponent(frame.key)}`;
  if (url) put(part(found, "image"), url, `Frame of ${frame.source}, captured ${date(captured)}`);
  say(part(found, "distance"), at ? distance((captured - at) / 1000) : "The latest frame");
  const facts = {
    Captured: date(captured),
    "In UTC": frame.captured_at.replace("+00:00", "Z"),
    Key: frame.key,
    Picture: frame.width ? `${count(frame.width)} × ${count(frame.height)}, ${frame.encoding}` : frame.encoding,
  };
  if (frame.pts != null && frame.time_base) facts["In its stream"] = place(frame.pts * fraction(frame.time_base));
  if (frame.corrupt) facts.Damage = "the decoder met damage in it";
  part(found, "facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [text("dt", name), text("dd", value)]));
}

function distance(seconds) {
  if (Math.abs(seconds) < 0.0005) return "At that very time";
  return `${Math.abs(seconds).toFixed(3)} s ${seconds < 0 ? "before" : "after"} that time`;
}

function fraction(written) {
  const [above, below = 1] = written.split("/").map(Number);
  return above / below;
}

function text(tag, value) {
  const element = document.createElement(tag);
  element.textContent = value;
  return element;
}

/** As a field for date and time has it: local, without a zone. */
function localTime(when) {
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
