"""The configuration: INI files in, checked templates out, every problem with its file and line.

=============== =========================================================================================
module          what it does
=============== =========================================================================================
``keys``        the shape of a table of keys; providers and roles write theirs with it
``tables``      the tables of the keys that are the same for every provider
``problems``    where something is wrong and what; many of them make one :class:`ConfigurationError`
``reader``      lines of files -> sections and keys with positions
``expand``      ``%(NAME)s``, ``$VARIABLE``, ``[DEFAULT]`` and old names of keys
``values``      text -> number, truth value, path, list
``counts``      how many nodes of which kind: in ``[cluster/NAME]``, in ``--nodes``
``resolve``     the sections that one template needs -> :class:`~.templates.Template`
``templates``   the whole: :class:`~.templates.Configuration`
``default``     the file that a new user gets
=============== =========================================================================================
"""
