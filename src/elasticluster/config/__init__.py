"""The configuration: INI files in, checked templates out, every problem with its file and line.

=============== =========================================================================================
module          what it does
=============== =========================================================================================
``keys``        the shape of a table of keys; providers and roles write theirs with it
``tables``      the tables of the keys that are the same for every provider
``documented``  the tables of the clouds that the documents name and this version does not have yet
``problems``    where something is wrong and what; many of them make one :class:`ConfigurationError`
``reader``      lines of files -> sections and keys with positions
``expand``      ``%(NAME)s``, ``$VARIABLE``, ``[DEFAULT]`` and old names of keys
``values``      text -> number, truth value, path, list
``counts``      how many nodes of which kind: in ``[cluster/NAME]``, in ``--nodes``
``resolve``     the sections that one template needs -> :class:`~.templates.Template`
``templates``   the whole: :class:`~.templates.Configuration`
``masking``     how values are shown to people, and which are shown to nobody
``show``        a template with every value that it comes to, and where each came from
``differences`` where a stored cluster differs from its template
``default``     the file that a new user gets
=============== =========================================================================================
"""
