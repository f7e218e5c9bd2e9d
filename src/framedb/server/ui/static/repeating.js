// Asking again and again, while somebody looks.

const LONGEST = 10; // seconds, while the node does not answer

/**
 * Run `task` now and then every so many seconds, as long as the page and `element` are seen; `seconds` is a number or a
 * function. Gives `now()`, which runs it at once, whoever looks.
 */
export function repeat(task, seconds, element = null) {
  let timer = null;
  let running = null;
  let failures = 0;
  let seen = element === null;

  const pause = () => (typeof seconds === "function" ? seconds() : seconds);
  const looked = () => seen && !document.hidden;

  async function once() {
    try {
      await task();
      failures = 0;
    } catch (error) {
      failures += 1;
      if (error.status === undefined) throw error; // a fault of ours: the console has it
    } finally {
      running = null;
      clearTimeout(timer);
      if (looked()) timer = setTimeout(start, Math.min(LONGEST, pause() * 2 ** Math.min(failures, 4)) * 1000);
    }
  }

  function start() {
    clearTimeout(timer);
    running ??= once();
    return running;
  }

  async function now() {
    if (running) await running.catch(() => {}); // what it asked may be older than what made us ask again
    return start();
  }

  addEventListener("online", () => looked() && start());
  document.addEventListener("visibilitychange", () => (looked() ? start() : clearTimeout(timer)));
  if (element) {
    const observer = new IntersectionObserver((entries) => {
      seen = entries.at(-1).isIntersecting;
      if (looked()) start();
      else clearTimeout(timer);
    }, { rootMargin: "100% 0px" }); // one screen around: what loads above an element may push it that far
    observer.observe(element);
  } else {
    start();
  }
  return { now };
}
