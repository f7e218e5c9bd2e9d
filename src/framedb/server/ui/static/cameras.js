// Cameras: how they are, and what they see.
import { call } from "./api.js";
import { announce, badge, copy, keyed, notice, part, say } from "./elements.js";
import { picture, put } from "./picture.js";
import { repeat } from "./repeating.js";
import { ago, count, date, drops, time } from "./wording.js";

const STATES = { running: "good", waiting: "busy", starting: "busy", reconnecting: "warn", failed: "bad" };

export function showCameras(section) {
  const list = section.querySelector("#camera-list");
  const polling = repeat(async () => {
    const { cameras } = await call("GET", "/v1/cameras");
    part(section, "empty").hidden = cameras.length > 0;
    const running = cameras.filter((camera) => camera.health.state === "running").length;
    say(part(section, "summary"), cameras.length ? `${running} of ${cameras.length} running` : "");
    keyed(list, cameras, { key: (camera) => camera.source, make, update: show });
  }, 2, section);

  list.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-switch]");
    if (!button) return;
    button.disabled = true;
    const { source, act } = button.dataset;
    try {
      await call("POST", `/v1/cameras/${encodeURIComponent(source)}/${act}`);
      announce(act === "stop" ? `${source} is being stopped` : `${source} is being started`);
    } catch (error) {
      announce(error.message);
    }
    await polling.now().catch(() => {});
    button.disabled = false;
  });
}

function make() {
  const item = copy("camera-template");
  new IntersectionObserver((entries) => {
    item.dataset.seen = entries.at(-1).isIntersecting ? "yes" : "";
    look(item);
  }).observe(item);
  return item;
}

function show(item, camera) {
  const { health } = camera;
  say(part(item, "name"), camera.source);
  say(part(item, "url"), camera.url);
  badge(part(item, "state"), health.state, STATES[health.state] ?? "idle");
  say(part(item, "frames"), count(health.frames ?? 0));
  say(part(item, "fps"), `${(health.fps ?? 0).toFixed(1)} of ${camera.fps ? camera.fps : "all"}`);
  const last = health.last_frame_at ? time(health.last_frame_at) : null;
  say(part(item, "last"), last ? ago(last) : "none yet");
  part(item, "last").title = last ? date(last) : "";
  say(part(item, "reconnects"), count(health.reconnects ?? 0));
  say(part(item, "drops"), drops(health.drops));
  // Of a camera that runs, the last error is history.
  notice(part(item, "error"), health.state === "running" ? "" : health.last_error, health.state === "failed" ? "bad" : "warn");
  const button = part(item, "switch");
  const act = health.state === "stopped" ? "start" : "stop";
  Object.assign(button.dataset, { source: camera.source, act });
  say(button, act === "stop" ? "Stop" : "Start");
  button.setAttribute("aria-label", `${button.textContent} ${camera.source}`);
  Object.assign(item.dataset, { source: camera.source, last: health.last_frame_at ?? "" });
  look(item);
}

/** What the camera saw last, if somebody looks and it is something new. */
async function look(item) {
  const { seen, source, last, shown } = item.dataset;
  if (!seen || !last || last === shown) return;
  item.dataset.shown = last;
  try {
    const { frame, url } = await picture(`/v1/sources/${encodeURIComponent(source)}/latest?memory=true`);
    if (url) put(part(item, "image"), url, `The latest frame of ${source}, ${date(time(frame.captured_at))}`);
    say(part(item, "nothing"), url ? "" : `Frames are ${frame.encoding}: no picture`);
  } catch (error) {
    // Workers take frames out as they go: one that was taken since is nothing to speak of. The next one is looked for anyway.
    if (error.status === undefined) throw error;
  }
}
