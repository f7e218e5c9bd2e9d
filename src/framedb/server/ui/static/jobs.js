// Jobs: submitted, watched while their frames arrive, looked through, cancelled.
import { call } from "./api.js";
import { announce, badge, copy, keyed, notice, part, say, sure } from "./elements.js";
import { isUnderWay, jobsPage } from "./job_api.js";
import { repeat } from "./repeating.js";
import { showStrip } from "./strip.js";
import { showSubmit } from "./submit.js";
import { openViewer } from "./viewer.js";
import { ago, count, date, selection, time } from "./wording.js";

const KINDS = { pending: "idle", processing: "busy", completed: "good", failed: "bad", cancelled: "idle" };
const shown = new WeakMap(); // of each card: its job, its viewer, and whether its strip is being looked after

export function showJobs(section) {
  const list = section.querySelector("#job-list");
  const status = section.querySelector("#job-status");
  const more = section.querySelector("#more-jobs");
  const states = new Map(); // by job, for what is said when it ends
  const page = Number(list.dataset.page);
  let pages = 1;
  let busy = true;

  const polling = repeat(async () => {
    const { jobs, counts, more: older } = await jobsPage({ status: status.value, limit: page * pages });
    busy = jobs.some((job) => isUnderWay(job));
    part(section, "empty").hidden = jobs.length > 0;
    say(part(section, "empty"), status.value ? `No job is ${status.value}.` : EMPTY);
    more.hidden = !older;
    for (const option of status.options) say(option, labelOf(option.value, counts));
    keyed(list, jobs, { key: (job) => job.job_id, make: () => copy("job-template"), update: show });
    for (const job of jobs) tellEnd(states, job);
  }, () => (busy ? 1 : 4), section);

  showSubmit(section.querySelector("#submit"), () => polling.now());
  status.addEventListener("change", () => polling.now());
  more.addEventListener("click", () => {
    pages += 1;
    polling.now();
  });
  list.addEventListener("click", ({ target }) => {
    const item = target.closest(".job");
    if (target.closest("[data-remove]")) remove(item, list, polling);
    else if (target.closest("[data-open]")) toggle(item);
    else if (target.closest("[data-frame]")) look(item, Number(target.closest("[data-frame]").dataset.frame));
  });
}

const EMPTY = "No jobs yet. Name a video, and its frames show up here as they are extracted.";

function show(item, job) {
  const before = shown.get(item);
  const card = { ...before, job };
  shown.set(item, card);
  say(part(item, "name"), nameOf(job));
  badge(part(item, "status"), job.status, KINDS[job.status] ?? "idle");
  say(part(item, "what"), selection(job.selection));
  say(part(item, "when"), ago(time(job.created_at)));
  part(item, "when").dateTime = time(job.created_at).toISOString();
  part(item, "when").title = date(time(job.created_at));
  const where = nameOf(job) === job.video_source ? "" : ` · ${job.video_source}`;
  say(part(item, "where"), where);
  showProgress(item, job);
  notice(part(item, "error"), job.error_message ?? job.warning, job.status === "failed" ? "bad" : "warn");
  const some = job.processed_frames > 0;
  part(item, "open").hidden = !some;
  part(item, "strip").hidden = !some && !isUnderWay(job); // frames to come have their place
  for (const [name, path] of [["sheet", "sheet.jpg"], ["zip", "frames.zip"]]) {
    const link = part(item, name);
    link.hidden = job.status !== "completed" || !some;
    link.href = `/frames/${encodeURIComponent(job.job_id)}/${path}`;
    link.setAttribute("aria-label", `${link.textContent} of ${nameOf(job)}`);
  }
  const button = part(item, "remove");
  say(button, isUnderWay(job) ? "Cancel" : "Delete");
  button.setAttribute("aria-label", `${button.textContent} the job of ${nameOf(job)}`);
  opened(item, Boolean(before?.viewer));
  const changed = before?.job.processed_frames !== job.processed_frames || before.job.status !== job.status;
  if (some && changed) freshen(item);
}

function showProgress(item, job) {
  const progress = part(item, "progress");
  progress.setAttribute("aria-label", `Progress of ${nameOf(job)}`);
  progress.parentElement.hidden = job.status === "failed" && !job.processed_frames;
  if (job.total_frames) {
    progress.max = job.total_frames;
    progress.value = job.processed_frames;
  } else if (job.status === "processing") {
    progress.removeAttribute("value");
  } else {
    progress.value = 0;
  }
  const done = count(job.processed_frames);
  const percent = job.total_frames ? Math.floor((100 * job.processed_frames) / job.total_frames) : 0;
  const frames = job.total_frames === 1 ? "frame" : "frames";
  if (!job.total_frames && job.processed_frames) say(part(item, "count"), `${done} so far`); // of a stream, which may not end
  else if (!job.total_frames) say(part(item, "count"), job.status === "processing" ? "looking at the video" : "waiting");
  else if (isUnderWay(job)) say(part(item, "count"), `${done} of ${count(job.total_frames)} frames · ${percent} %`);
  else if (job.processed_frames === job.total_frames) say(part(item, "count"), `${done} ${frames}`);
  else say(part(item, "count"), `${done} of ${count(job.total_frames)} ${frames}`);
}

/** The strip and the viewer as the job is by now. One look at a time. */
async function freshen(item) {
  const card = shown.get(item);
  card.viewer?.update(card.job);
  if (card.looking) {
    shown.set(item, { ...card, again: true });
    return;
  }
  shown.set(item, { ...card, looking: true, again: false });
  try {
    await showStrip(part(item, "strip"), card.job);
  } catch (error) {
    if (error.status === undefined) throw error; // else the next look will tell
  }
  const { again } = shown.get(item);
  shown.set(item, { ...shown.get(item), looking: false });
  if (again && item.isConnected) freshen(item);
}

function toggle(item) {
  if (shown.get(item).viewer) close(item);
  else look(item, 0);
}

function look(item, index) {
  const card = shown.get(item);
  const viewer = card.viewer ?? openViewer(part(item, "viewer"), nameOf(card.job), card.job);
  shown.set(item, { ...card, viewer });
  part(item, "viewer").hidden = false;
  viewer.show(index);
  opened(item, true);
}

function close(item) {
  part(item, "viewer").hidden = true;
  part(item, "viewer").replaceChildren();
  shown.set(item, { ...shown.get(item), viewer: null });
  opened(item, false);
}

function opened(item, open) {
  const button = part(item, "open");
  say(button, open ? "Close" : "View");
  button.setAttribute("aria-label", `${button.textContent} frames of ${nameOf(shown.get(item).job)}`);
  button.setAttribute("aria-expanded", String(open));
}

async function remove(item, list, polling) {
  const { job } = shown.get(item);
  const going = isUnderWay(job);
  const agreed = await sure(
    going ? "Cancel this job?" : "Delete this job?",
    `${going ? "The work stops, and its" : "Its"} frames are deleted. The video itself stays.`,
    going ? "Cancel the job" : "Delete the job",
  );
  if (!agreed) return;
  const button = part(item, "remove");
  button.disabled = true;
  try {
    await call("DELETE", `/job/${encodeURIComponent(job.job_id)}`);
  } catch (error) {
    if (error.status !== 404) {
      button.disabled = false;
      notice(part(item, "error"), error.message, "bad");
      return;
    }
  }
  const next = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  announce(`The job of ${nameOf(job)} is ${going ? "cancelled" : "deleted"}`);
  (next ? part(next, "remove") : document.getElementById("way")).focus();
  polling.now();
}

function tellEnd(states, job) {
  const before = states.get(job.job_id);
  states.set(job.job_id, job.status);
  if (!before || !isUnderWay({ status: before }) || isUnderWay(job)) return;
  announce(`${nameOf(job)}: ${job.status}, ${count(job.processed_frames)} frames`);
}

function labelOf(status, counts) {
  const all = Object.values(counts).reduce((sum, number) => sum + number, 0);
  if (!all) return status || "all jobs";
  return status ? `${status} (${count(counts[status] ?? 0)})` : `all jobs (${count(all)})`;
}

/** The last part of a path or URL; a source that ends in none is its own name. */
function nameOf({ video_source: source }) {
  const bare = source.split(/[?#]/)[0].replace(/\/+$/, "");
  return bare.slice(bare.lastIndexOf("/") + 1) || source;
}
