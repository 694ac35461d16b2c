"""The engine: decides what has to be done, does it, and reports one outcome a node.

It knows clouds, SSH, configuration tools, disks and clocks only through :mod:`.ports`.
"""
