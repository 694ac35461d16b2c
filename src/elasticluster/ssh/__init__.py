"""SSH: finding out whether nodes let us in, keeping their host keys, and connecting to them.

============ =====================================================================
``probe``    :class:`~.probe.ParamikoProber`: one round of attempts on many nodes
``line``     an open connection, directly, through a gateway or through a proxy command
``tunnel``   lines to many nodes at once, also to those behind a gateway
``knock``    its first half: connections and banners, all at once, in one thread
``login``    its second half: host key, login and a command, one thread each
``hostkeys`` host keys, their fingerprints and the known-hosts file
``client``   command lines for OpenSSH, and a Paramiko client for programs
============ =====================================================================
"""
