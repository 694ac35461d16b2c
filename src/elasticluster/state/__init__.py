"""Clusters on disk: what was made, what was intended, and who is working on it.

=========== ==========================================================================
``store``   :class:`~.store.JsonStore`: one snapshot and one journal for each cluster
``memory``  :class:`~.memory.MemoryStore`: the same contract, gone with the process
``codec``   records <-> JSON, versions and their migrations
``journal`` lines appended to a snapshot, safe against being torn
``lock``    one command at a time on each cluster
``keys``    the key pairs that open the nodes
=========== ==========================================================================
"""
