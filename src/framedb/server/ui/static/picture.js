// A frame as the node hands it out, and as a picture if it is one.
import { fetched } from "./api.js";

/** `{frame, url}` of a route that answers with a frame; `url` is null for what no browser shows. Release it when replaced. */
export async function picture(path) {
  const answer = await fetched(path);
  const frame = JSON.parse(answer.headers.get("X-FrameDB-Frame"));
  if (frame.encoding === "base64-jpeg") {
    return { frame, url: `data:image/jpeg;base64,${await answer.text()}` };
  }
  if ((answer.headers.get("Content-Type") ?? "").startsWith("image/")) {
    return { frame, url: URL.createObjectURL(await answer.blob()) };
  }
  await answer.body?.cancel();
  return { frame, url: null };
}

/** Show this picture in place of the one before. */
export function put(image, url, alt) {
  const before = image.src;
  image.src = url;
  image.alt = alt;
  image.hidden = false;
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
}
