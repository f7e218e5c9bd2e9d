"""`Env`: what a reader needs to know about where it runs."""

from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from framedb.config import read_settings
from framedb.errors import InvalidSettingError


class Env(BaseSettings):
    """Settings of `FrameDB`, from the environment and `.env`; each may be given, or set afterwards, by its own name.

    With none of them set it is the local node. Raises InvalidSettingError for a value that cannot be used.
    """

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, validate_assignment=True, env_ignore_empty=True
    )

    routing_url: Annotated[str, Field(alias="FRAMEDB_ROUTING_URL")] = Field(default_factory=lambda: read_settings().url)
    """Of the routing service, or of a whole node: by default FRAMEDB_URL."""
    framedb_node_tag: Annotated[str, Field(alias="FRAMEDB_NODE_TAG")] = "local"
    """Where this process runs: of several mappings of a source its own node's is used."""
    framedb_password: Annotated[str, Field(alias="FRAMEDB_PASSWORD", repr=False)] = ""
    """Of the clusters. Empty: the routing service is asked, which tells it to whoever may open instances."""
    framedb_ping_retries: Annotated[int, Field(alias="FRAMEDB_PING_RETRIES", ge=1)] = 3
    """How often a connection is tried before it is handed out."""
    mode: Annotated[str, Field(alias="FRAMEDB_MODE")] = ""
    """`test`: no routing; one server holds every source."""
    test_node_tag: Annotated[str, Field(alias="FRAMEDB_TEST_NODE_TAG")] = "local"
    """Names the socket of that server."""
    test_password: Annotated[str, Field(alias="FRAMEDB_TEST_PASSWORD", repr=False)] = ""
    """Of that server."""
    enable_uds_connections: Annotated[bool, Field(alias="FRAMEDB_ENABLE_UDS_CONNECTIONS")] = False
    """Whether to look for the Unix socket of the master."""
    uds_vmount: Annotated[str, Field(alias="FRAMEDB_UDS_VMOUNT")] = ""
    """Folder of the sockets, called `<nodeTag>.sock`: a node's data folder has them."""
    use_del_svc: Annotated[bool, Field(alias="FRAMEDB_USE_DEL_SVC")] = False
    """Whether released frames are queued to be unlinked, rather than unlinked at once."""
    on_demand_connections: Annotated[bool, Field(alias="FRAMEDB_ON_DEMAND_CONNECTIONS")] = True
    """Whether a source may be used that was not registered; one that routing does not know is then placed."""
    mdag_id: Annotated[str, Field(alias="FRAMEDB_MDAG_ID")] = ""
    """Of the pipeline, for its log."""
    block_id: Annotated[str, Field(alias="FRAMEDB_BLOCK_ID")] = ""
    """Of the block in the pipeline, for its log."""

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as exc:
            # Never the value itself: it may be a password.
            problems = "; ".join(f"{error['loc'][0]}: {error['msg']}" for error in exc.errors())
            raise InvalidSettingError(f"settings cannot be used: {problems}") from None
