// How the node is, at the top of the page.
import { call, onAnswer } from "./api.js";
import { badge, notice } from "./elements.js";
import { repeat } from "./repeating.js";

export function showNode() {
  const state = document.getElementById("node-state");
  const away = document.getElementById("away");
  let missed = 0;
  onAnswer((answered) => {
    missed = answered ? 0 : missed + 1;
    if (missed > 1) badge(state, "away", "bad");
    notice(away, missed > 1 ? "The node does not answer. The page goes on by itself when it is back." : "");
  });
  repeat(async () => {
    const parts = await readiness();
    const ill = Object.entries(parts).filter(([, how]) => how !== "ready");
    badge(state, ill.length ? `not ready: ${ill.map(([name]) => name).join(", ")}` : "ready", ill.length ? "warn" : "good");
    state.title = ill.map(([name, how]) => `${name}: ${how}`).join("\n");
  }, 5);
}

/** Each part of the node and how it is. A node that is not ready answers 503, and says why. */
async function readiness() {
  try {
    return (await call("GET", "/readyz")).parts ?? {};
  } catch (error) {
    if (error.status === 404) return {}; // a service alone: that it answers is all there is to know
    if (error.body?.parts) return error.body.parts;
    throw error;
  }
}
