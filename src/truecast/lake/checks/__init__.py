"""What only the bars around a bar reveal: found when bars are read, as of each moment.

:mod:`.options` names the checks and what a recipe may set; :mod:`.kernels` walks the bars in the
order in which they became known; :mod:`.review` turns what it finds into findings and further
versions. Nothing of it is stored, so it does not matter in which pieces the bars came in, and a
finding is there from the moment on at which the bars that prove it were known.
"""
