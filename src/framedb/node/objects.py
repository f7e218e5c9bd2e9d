"""The flow of objects, over the clusters and instances of a control plane."""

from framedb.errors import NotFoundError
from framedb.node.control_plane import ControlPlane
from framedb.routing import Copy
from framedb.tiering.objects import Objects


def open_objects(plane: ControlPlane) -> Objects:
    """Objects and streams in every instance the registry knows; the persistent instance `local` is made if it is missing.

    They are closed with the control plane.
    """
    site = plane.settings.cluster_id
    plane.instances.ensure_local(node_tag=plane.settings.node_tag, site=site)
    sites: dict[Copy, str] = {}  # an instance never moves to another site

    def is_near(copy: Copy) -> bool:
        if copy not in sites:
            try:
                sites[copy] = _site_of(plane, copy)
            except NotFoundError:
                return False
        return sites[copy] == site

    return Objects(
        routing=plane.routing,
        memory=plane.connections.memory,
        persistent=plane.instances.store,
        resolve_memory=lambda framedb_id: plane.clusters.resolve(framedb_id)[0],
        mark_durable=lambda source: plane.placement.place(source, durable=True),
        is_near=is_near,
    )


def _site_of(plane: ControlPlane, copy: Copy) -> str:
    if copy.framedb_type == "in-memory":
        return plane.clusters.info(copy.framedb_id).site
    return plane.instances.get(copy.framedb_id).site
