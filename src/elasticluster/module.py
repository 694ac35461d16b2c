"""Kept so that programs can go on importing :mod:`elasticluster.module`; it has no names of its own."""
