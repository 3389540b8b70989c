"""Compiled loops: one a group of families, named as ``module:function`` in their declarations.

A kernel takes ``(x, begin, halo, out, start, *asked)``:

- ``x`` holds one row for each column of a bar (see ``inputs``), one column a bar. Its columns from
  ``begin`` on are the group's; the first ``halo`` of them are history, the others are to be
  written. Before the first bar of a series, ``x`` is NaN.
- ``out`` is the whole result, one row a feature; the first column to be written is ``start``.
- After ``start`` comes one argument for each family, named as the family: what is asked of it, one
  row a feature, its place in ``out`` and then its parameters.

What only kernels call is a ``helper``: it has no way in from Python, which takes a third of the
time to compile. All of them compute in float64, index from 0 so that the compiler can vectorise
it, and never change the order of additions with the place of a row: the same bars give the same
bits. Modules are imported at the first use of one of their kernels, since importing numba
takes a while.
"""
