// Jobs and their frames, as the node's API has them. A job may have a million frames: never are all of them asked for.
import { call } from "./api.js";

const LIST = 300; // frames of a finished job that are asked for at once
const WINDOW = 8; // frames looked through for one that may not be there

/** Whether a job is not over yet. */
export function isUnderWay(job) {
  return job.status === "pending" || job.status === "processing";
}

/** The newest jobs, how many there are of each status, and whether there are more: `{jobs, counts, more}`. */
export async function jobsPage({ status, limit }) {
  const asked = new URLSearchParams({ limit });
  if (status) asked.set("status", status);
  const { jobs, counts, next } = await call("GET", `/jobs?${asked}`);
  return { jobs, counts: counts ?? {}, more: next != null };
}

/** So many of a job's frames, in the order of the video: the newest of one that is worked on, else spread over all of it. */
export async function someFrames(job, number) {
  if (isUnderWay(job)) return framesFrom(job.job_id, job.processed_frames - number, number);
  if (job.processed_frames <= LIST) return spread(await framesFrom(job.job_id, 0, LIST), number);
  const places = spread([...Array(job.processed_frames).keys()], number);
  const found = await Promise.all(places.map((index) => framesFrom(job.job_id, index, 1)));
  return found.flat();
}

/** The frame with this index, or the one nearest to it if it is not there: some may have been lost, or are still to come. */
export async function frameAt(id, index) {
  const around = await framesFrom(id, index - WINDOW + 1, WINDOW);
  const found = around.findLast((frame) => frame.index <= index) ?? around[0];
  return found ?? (await framesFrom(id, index, 1))[0] ?? null;
}

/** Items spread evenly over all of them, the first one among them. */
export function spread(items, number) {
  if (items.length <= number) return items;
  return Array.from({ length: number }, (_, at) => items[Math.floor((at * items.length) / number)]);
}

/** Where a frame's picture is, at most `width` pixels wide; without it, as it is kept. */
export function pictureOf(id, index, width) {
  const path = `/frames/${encodeURIComponent(id)}/${index}.jpg`;
  return width ? `${path}?width=${width}` : path;
}

async function framesFrom(id, index, limit) {
  const after = Math.max(index - 1, -1);
  return (await call("GET", `/frames/${encodeURIComponent(id)}?after=${after}&limit=${limit}`)).frames;
}
