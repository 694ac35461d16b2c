"""The exit codes of the command line, and what each means."""

from __future__ import annotations

from collections.abc import Mapping

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "something went wrong that no other code describes",
    2: "the command line is wrong",
    3: "ready, without some nodes: they are named",
    4: "nodes are not usable, or configuring them failed: they are named",
    5: "set up, but a group brought no check, and `--require-check` was given",
    65: "a stored cluster cannot be read, or a newer version wrote it",
    66: "no such cluster, node or template",
    69: "the cloud or the container engine said no",
    70: "a mistake in the program; with `-vvv` it shows where",
    73: "a cluster of that name exists and is another one",
    75: "nobody could be asked, or the answer was no; or another command works on the cluster",
    77: "credentials are missing, wrong or not sufficient",
    78: "the configuration is wrong: file, line and section are named",
    129: "ended by SIGHUP",
    130: "ended by Ctrl-C",
    143: "ended by SIGTERM",
}
"""`ssh` and `sftp` end with the code of the command that they run, and with 255 if OpenSSH cannot connect."""


def table() -> str:
    """Return the codes as `--help` shows them, one in a line."""
    return "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
