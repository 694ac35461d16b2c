"""A mechanism driver for Neutron's ML2 plugin that binds every port at once: no agent, no wires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neutron_lib.plugins.ml2 import api

ENTRY_POINTS = f"[neutron.ml2.mechanism_drivers]\ninstant = {__name__}:InstantBinding\n"


class InstantBinding(api.MechanismDriver):
    """Says of every port that it is connected."""

    def initialize(self) -> None:
        """Do nothing; the plugin wants to call it."""

    @property
    def connectivity(self) -> str:
        """What sort of network it connects to."""
        return "l2"

    def bind_port(self, context: Any) -> None:
        """Bind a port to the first segment that it could be on."""
        for segment in context.segments_to_bind[:1]:
            context.set_binding(segment[api.ID], "ovs", {"port_filter": True}, status="ACTIVE")


def register(folder: Path) -> None:
    """Write in a folder what makes it look like an installed package, the only way to be found by Neutron."""
    metadata = folder / "instant_binding-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: instant-binding\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
