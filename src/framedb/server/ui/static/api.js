// The node's HTTP API. A browser sends the password it was given by itself: the page is of the same origin.

export class Refused extends Error {
  constructor(status, why, body = null) {
    super(why);
    this.status = status; // 0: no answer at all
    this.body = body;
  }
}

const AWAY = "The node does not answer. Try again in a moment.";
const listeners = new Set();

/** Tell `listener` after each call whether the node answered. */
export function onAnswer(listener) {
  listeners.add(listener);
}

/** The JSON that the node answers. Throws Refused. */
export async function call(method, path, body) {
  const sent = body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await reach(path, { method, cache: "no-store", ...sent });
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, reason(answer.status, told), told);
  return told;
}

/** The answer itself, for what is no JSON. Throws Refused. */
export async function fetched(path) {
  const answer = await reach(path, { cache: "no-cache" });
  if (answer.ok) return answer;
  throw new Refused(answer.status, reason(answer.status, await answer.json().catch(() => null)));
}

/** Sends a form with files; `onProgress` is told bytes sent and all bytes. Gives `{done, abort}`. */
export function upload(path, form, onProgress) {
  const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
  const done = new Promise((resolve, reject) => {
    request.open("POST", path);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("error", () => reject(new Refused(0, "The connection was lost while uploading. Try again.")));
    request.addEventListener("abort", () => reject(new Refused(0, "The upload was stopped; nothing of it is kept.")));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Refused(request.status, reason(request.status, request.response)));
    });
    request.send(form);
  });
  return { done, abort: () => request.abort() };
}

async function reach(path, options) {
  try {
    const answer = await fetch(path, options);
    for (const listener of listeners) listener(true);
    return answer;
  } catch {
    for (const listener of listeners) listener(false);
    throw new Refused(0, AWAY);
  }
}

function reason(status, told) {
  const why = told?.error ?? told?.errorData ?? told?.detail;
  if (Array.isArray(why)) return why.map((each) => `${each.loc?.slice(1).join(".") ?? ""}: ${each.msg}`).join("; ");
  return why || `The node answered with status ${status}.`;
}
