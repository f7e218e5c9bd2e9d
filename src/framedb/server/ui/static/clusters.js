// Clusters, their members, and how full they are.
import { call } from "./api.js";
import { badge, copy, keyed, part, say } from "./elements.js";
import { repeat } from "./repeating.js";
import { count, many, size } from "./wording.js";

const MEMBER = { online: "good", loading: "busy", syncing: "busy", down: "bad" };

export function showClusters(section) {
  const list = section.querySelector("#cluster-list");
  repeat(async () => {
    const { clusters } = await call("GET", "/v1/clusters");
    part(section, "empty").hidden = clusters.length > 0;
    const well = clusters.filter((cluster) => cluster.healthy).length;
    say(part(section, "summary"), clusters.length ? `${well} of ${clusters.length} healthy` : "");
    keyed(list, clusters, { key: (cluster) => cluster._id, make: () => copy("cluster-template"), update: show });
  }, 5, section);
}

function show(item, cluster) {
  say(part(item, "name"), cluster._id);
  badge(part(item, "state"), ...health(cluster));
  say(part(item, "caption"), `Members of cluster ${cluster._id}`);
  const members = `${cluster.members.length} of ${many(cluster.replicas, "member")}, quorum ${cluster.quorum}`;
  say(part(item, "about"), `${members} · ${many(cluster.sources, "source")} · on node ${cluster.node_tag}`);
  keyed(part(item, "members"), cluster.members, {
    key: (member) => member.name,
    make: () => copy("member-template"),
    update: showMember,
  });
}

function health(cluster) {
  if (cluster.state !== "ready") return [cluster.state, "busy"];
  return cluster.healthy ? ["healthy", "good"] : ["not healthy", "bad"];
}

function showMember(row, member) {
  say(part(row, "member"), member.name);
  say(part(row, "role"), member.role === "replica" ? `replica, link ${member.link}` : member.role);
  badge(part(row, "state"), member.state, MEMBER[member.state] ?? "idle");
  say(part(row, "keys"), count(member.keys));
  say(part(row, "address"), `${member.host}:${member.port}`);
  const most = member.maxmemory_bytes;
  say(part(row, "memory"), most ? `${size(member.used_memory_bytes)} of ${size(most)}` : size(member.used_memory_bytes));
  const meter = part(row, "meter");
  meter.hidden = !most;
  meter.setAttribute("aria-label", `Memory of ${member.name}`);
  meter.max = most || 1;
  meter.high = most * 0.95;
  meter.low = most * 0.8;
  meter.optimum = 0;
  meter.value = member.used_memory_bytes;
}
