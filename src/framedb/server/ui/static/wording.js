// Numbers, sizes and times in words.

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
const counted = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function count(number) {
  return counted.format(number);
}

/** A number of things: 1 frame, 20 frames. */
export function many(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}

export function size(bytes) {
  let unit = 0;
  let number = bytes;
  while (number >= 1024 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit && number < 100 ? number.toFixed(1) : counted.format(Math.round(number))} ${UNITS[unit]}`;
}

/** A place in a video: 75.5 is 1:15.50. */
export function place(seconds) {
  const hundredths = Math.round(seconds * 100);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(hundredths / 360000);
  const minutes = Math.floor(hundredths / 6000) % 60;
  const rest = `${two(Math.floor(hundredths / 100) % 60)}.${two(hundredths % 100)}`;
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** A moment the node tells; without a zone it is UTC. */
export function time(text) {
  return new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}

export function date(when) {
  return moment.format(when);
}

export function ago(when) {
  const seconds = (when.getTime() - Date.now()) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(Math.trunc(seconds), "second");
}

/** Drops by reason. */
export function drops(reasons) {
  const named = Object.entries(reasons ?? {}).filter(([, number]) => number > 0);
  return named.length ? named.map(([reason, number]) => `${count(number)} ${reason.replaceAll("-", " ")}`).join(", ") : "none";
}

/** Which frames of a video a job takes. */
export function selection(chosen) {
  const part = [
    chosen.start ? `from ${chosen.start}\u00a0s` : "",
    chosen.stop != null ? `until ${chosen.stop}\u00a0s` : "",
  ].filter(Boolean);
  return [frames(chosen), ...part].join(", ");
}

function frames(chosen) {
  if (chosen.interval != null) return chosen.interval === 1 ? "one a second" : `one every ${chosen.interval}\u00a0s`;
  if (chosen.fps != null) return `${chosen.fps} a second`;
  if (chosen.count != null) return chosen.count === 1 ? "one frame" : `${count(chosen.count)} frames, evenly spread`;
  if (chosen.times != null) return `at ${chosen.times.length === 1 ? "one time" : `${count(chosen.times.length)} times`}`;
  if (chosen.scenes != null) return "where the scene changes";
  if (chosen.keyframes) return "keyframes";
  return "every frame";
}
