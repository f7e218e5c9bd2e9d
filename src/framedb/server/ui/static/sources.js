// Sources with what they hold and dropped, and the frame queue.
import { call } from "./api.js";
import { copy, keyed, notice, part, say } from "./elements.js";
import { repeat } from "./repeating.js";
import { count, drops, many, size } from "./wording.js";

const SHOWN = 50; // each is a call of its own
const AT_ONCE = 4;

export function showSources(section) {
  const rows = section.querySelector("#source-rows");
  const filter = section.querySelector("#source-filter");
  const known = document.getElementById("known-sources");

  const polling = repeat(async () => {
    const [{ memory, durable }] = await Promise.all([call("GET", "/v1/sources"), showQueue(section)]);
    const names = [...new Set([...memory, ...durable])].sort();
    if (known) keyed(known, names, { key: (name) => name, make: (name) => new Option(name), update: () => {} });
    const matching = names.filter((name) => name.includes(filter.value.trim()));
    const stats = await inTurn(matching.slice(0, SHOWN), (name) => call("GET", `/v1/sources/${encodeURIComponent(name)}`));
    part(section, "empty").hidden = matching.length > 0;
    say(part(section, "empty"), names.length ? "No source has this in its name." : "No source has frames.");
    part(section, "table").hidden = matching.length === 0;
    const more = matching.length - SHOWN;
    notice(part(section, "more"), more > 0 ? `${count(more)} more: filter for those you look for.` : "");
    keyed(rows, stats, { key: (of) => of.source, make: () => copy("source-template"), update: show });
  }, 5, section);
  filter.addEventListener("input", () => polling.now());
}

/** A few at a time: the node has more to do than to tell us. */
async function inTurn(items, ask) {
  const found = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    found.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(ask))));
  }
  return found;
}

function show(row, of) {
  say(part(row, "source"), of.source === "_" ? "without a source" : of.source);
  say(part(row, "memory"), held(of.memory));
  say(part(row, "durable"), held(of.durable));
  say(part(row, "drops"), drops(of.memory.drops));
}

function held({ count: frames, bytes }) {
  return frames ? `${many(frames, "frame")} · ${size(bytes)}` : "–";
}

async function showQueue(section) {
  const queue = await call("GET", "/v1/queue");
  part(section, "depth").parentElement.parentElement.hidden = false;
  const meter = part(section, "meter");
  meter.max = queue.max_length;
  meter.low = queue.max_length * 0.5;
  meter.high = queue.max_length * 0.9;
  meter.optimum = 0;
  meter.value = queue.depth;
  say(part(section, "depth"), `${count(queue.depth)} of ${many(queue.max_length, "frame")} wait`);
  say(part(section, "policy"), POLICIES[queue.policy] ?? queue.policy);
  const letters = queue.dead_letters;
  part(section, "dead").hidden = letters.length === 0;
  say(part(section, "dead-count"), `${many(letters.length, "frame")} set aside, with the reason`);
  keyed(part(section, "letters"), letters, {
    key: (letter) => letter.key,
    make: () => document.createElement("li"),
    update: (item, letter) => say(item, `${letter.key}: ${letter.reason}`),
  });
}

const POLICIES = {
  "drop-oldest": "When it is full, the oldest announcement goes, and is counted.",
  "drop-newest": "When it is full, new announcements are turned away, and counted.",
  wait: "When it is full, publishers wait.",
};
