"""Units that several rooms must agree on: returns in percent, variances in percent² a bar."""

#: One squared basis point, in percent². Realised variances are held above it before a logarithm
#: is taken or a ratio formed: a bar without any movement says nothing on such a scale.
VARIANCE_FLOOR = 1e-4
