"""Clusters on disk: what was made, what was intended, and who is working on it.

============ =========================================================================
``store``    :class:`~.store.DiskStore`: one snapshot and one journal for each cluster
``memory``   :class:`~.memory.MemoryStore`: the same contract, gone with the process
``snapshot`` which file is a cluster's snapshot, and reading it
``formats``  JSON, YAML, pickle
``unpickle`` reading pickles without running what is in them
``codec``    records <-> documents, versions and their migrations
``original`` documents of the original ElastiCluster -> records
``journal``  lines appended to a snapshot, safe against being torn
``lock``     one command at a time on each cluster
``keys``     the key pairs that open the nodes
============ =========================================================================
"""
