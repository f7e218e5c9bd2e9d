// The page: starts the sections that are there.
import { showCameras } from "./cameras.js";
import { showClusters } from "./clusters.js";
import { showNode } from "./node.js";
import { showJobs } from "./jobs.js";
import { showSearch } from "./search.js";
import { showSources } from "./sources.js";

const sections = { jobs: showJobs, search: showSearch, cameras: showCameras, sources: showSources, clusters: showClusters };

showNode();
for (const [id, show] of Object.entries(sections)) {
  const section = document.getElementById(id);
  if (section) show(section);
}

// Which section one is in, for the navigation.
const links = new Map([...document.querySelectorAll(".top nav a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) links.get(target.id).setAttribute("aria-current", "true");
      else links.get(target.id).removeAttribute("aria-current");
    }
  },
  { rootMargin: "-35% 0px -65% 0px" },
);
for (const id of links.keys()) seen.observe(document.getElementById(id));
