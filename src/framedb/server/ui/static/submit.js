// The form that submits a video.
import { call, upload } from "./api.js";
import { announce, notice, part, say } from "./elements.js";
import { size } from "./wording.js";

export function showSubmit(form, submitted) {
  const said = part(form, "said");
  form.addEventListener("change", ({ target }) => {
    if (target.name === "from") choose(form, target.value);
    if (target.name === "way") offer(form, target.selectedOptions[0]);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    notice(said, "");
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const job = await submit(form);
      notice(said, "");
      announce(job.message ?? "Job submitted");
      await submitted();
    } catch (error) {
      if (error.status === undefined) throw error;
      notice(said, error.message, "bad");
    } finally {
      button.disabled = false;
    }
  });
  acceptDrops(form);
  // A browser that goes back restores what was chosen, and tells nobody.
  choose(form, form.elements.from.value);
  offer(form, form.elements.way.selectedOptions[0]);
}

/** The fields of where the video is; the others are neither seen nor sent. */
function choose(form, from) {
  for (const field of form.querySelectorAll("[data-from]")) {
    field.hidden = field.dataset.from !== from;
    field.querySelector("input").disabled = field.hidden;
  }
}

/** The field of how many, how often or when, as the way of choosing frames needs it. */
function offer(form, way) {
  const field = part(form, "amount");
  const amount = field.querySelector("input");
  const { label, value, min, max, step } = way.dataset;
  field.hidden = !label;
  amount.disabled = !label;
  part(form, "range").hidden = way.value === "times";
  if (!label || amount.name === way.value) return;
  say(field.querySelector("label"), label);
  amount.type = step ? "number" : "text";
  Object.assign(amount, { name: way.value, value, min: min ?? "", max: max ?? "", step: step ?? "" });
}

/** Which frames, as the API takes them. Throws what a person can mend. */
function selection(form) {
  const way = form.elements.way.value;
  const amount = form.querySelector("#amount").value;
  const chosen = {};
  if (way === "times") chosen.times = times(amount);
  else if (way === "keyframes" || way === "every") chosen[way] = true;
  else chosen[way] = Number(amount);
  for (const end of ["start", "stop"]) {
    if (way !== "times" && form.elements[end].value !== "") chosen[end] = Number(form.elements[end].value);
  }
  return chosen;
}

function times(written) {
  const given = written.split(/[\s,;]+/).filter(Boolean).map(Number);
  if (given.length && given.every((time) => time >= 0)) return given;
  throw Object.assign(new Error("Give times as seconds with commas between, such as 0, 1.5, 3."), { status: 400 });
}

async function submit(form) {
  const chosen = selection(form);
  if (form.elements.from.value === "file") return uploaded(form, chosen);
  const source = [...form.querySelectorAll("[name=video_source]")].find((field) => !field.disabled).value.trim();
  return call("POST", "/video-job", { video_source: source, ...chosen });
}

async function uploaded(form, chosen) {
  const field = part(form, "upload");
  const bar = field.querySelector("progress");
  const sent = new FormData();
  for (const [name, value] of Object.entries(chosen)) sent.set(name, Array.isArray(value) ? value.join(",") : String(value));
  sent.set("file", form.elements.file.files[0]);
  bar.value = 0;
  field.hidden = false;
  const { done, abort } = upload("/video-job", sent, (loaded, total) => {
    bar.value = total ? loaded / total : 0;
    say(part(form, "upload-said"), loaded < total ? `${size(loaded)} of ${size(total)}` : "Stored in a moment");
  });
  part(form, "abort").onclick = abort;
  try {
    return await done;
  } finally {
    field.hidden = true;
  }
}

function acceptDrops(form) {
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("dropping");
  });
  form.addEventListener("dragleave", () => form.classList.remove("dropping"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    form.elements.from.value = "file";
    choose(form, "file");
    form.elements.file.files = event.dataTransfer.files;
  });
}
