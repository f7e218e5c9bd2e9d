// Elements out of templates, and lists that keep theirs. Texts are set as texts: nothing of a name is ever markup.

/** The element that has this data attribute, within another one. */
export function part(element, name) {
  return element.querySelector(`[data-${name}]`);
}

/** The first element of a new copy of a template. */
export function copy(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

/** Set a text, if it is another one: what did not change is not read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A notice with this text, hidden without one. `kind`: good, busy, warn or bad. */
export function notice(element, text, kind) {
  say(element, text || "");
  if (kind) element.dataset.kind = kind;
  element.hidden = !text;
}

/** A badge. */
export function badge(element, text, kind) {
  say(element, text);
  element.dataset.kind = kind;
}

/** Read out, once, by screen readers. */
export function announce(text) {
  document.getElementById("announced").textContent = text;
}

/** Give `list` a child for each item, in order: made once per key, updated each time. Children keep focus and pictures. */
export function keyed(list, items, { key, make, update }) {
  const wanted = new Set(items.map((item) => String(key(item))));
  const there = new Map();
  for (const child of [...list.children]) {
    if (wanted.has(child.dataset.key)) there.set(child.dataset.key, child);
    else child.remove();
  }
  let place = list.firstElementChild;
  for (const item of items) {
    let child = there.get(String(key(item)));
    if (!child) {
      child = make(item);
      child.dataset.key = key(item);
    }
    if (child === place) place = place.nextElementSibling;
    else list.insertBefore(child, place);
    update(child, item);
  }
}

/** Ask whether something is really wanted; true if so. */
export function sure(question, consequence, yes) {
  const dialog = document.getElementById("sure");
  say(dialog.querySelector("h2"), question);
  say(part(dialog, "consequence"), consequence);
  say(part(dialog, "yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
