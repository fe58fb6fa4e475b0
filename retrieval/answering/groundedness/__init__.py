"""Whether passages bear a statement out: read, aligned with them, and judged by what speaks for and against it.

In the order of the flow: `readings` has the words of a passage or a statement in their `forms`, each with its vector
and its rarity; `basis` puts the readings of an answer's passages together; `alignment` lays a statement beside them;
`features` collects what `missing`, `contradiction` (by the `negation` of words) and `cooccurrence` find; the
`additive_model` adds that up to a probability, and `judge` says what is shown and what it rests on.
"""
