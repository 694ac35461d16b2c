#!/usr/bin/python3
"""Add up the ranks of all processes by MPI, without a compiler and without further packages.

    srun --mpi=pmix -N2 -n4 python3 sum_of_ranks.py

Each process says where it runs and what the sum is; it fails if that is wrong or it is alone. Programs in C
or Fortran want the variable `slurm_mpi_compiler`; Python programs rather use mpi4py than the library by hand.
"""

from __future__ import annotations

import ctypes
import platform
import sys

mpi = ctypes.CDLL("libmpi.so.40", mode=ctypes.RTLD_GLOBAL)  # of Open MPI; its plugins look for its symbols


def handle(name: str) -> ctypes.c_void_p:
    """Return one of Open MPI's handles: the address of an object in its library."""
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(mpi, name)))


WORLD = handle("ompi_mpi_comm_world")
rank, size, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()

mpi.MPI_Init(None, None)
mpi.MPI_Comm_rank(WORLD, ctypes.byref(rank))
mpi.MPI_Comm_size(WORLD, ctypes.byref(size))
mpi.MPI_Allreduce(
    ctypes.byref(rank), ctypes.byref(total), 1, handle("ompi_mpi_int"), handle("ompi_mpi_op_sum"), WORLD
)
mpi.MPI_Finalize()

alone = size.value == 1  # not started by MPI
expected = size.value * (size.value - 1) // 2
print(f"rank {rank.value} of {size.value} on {platform.node()}: the ranks add up to {total.value}")
sys.exit(total.value != expected or alone)
