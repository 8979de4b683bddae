"""What the laboratory and the bench have in common: servers that take turns, and what is left of a run.

`bench` lets servers have their turns, round by round, and meters them; `footprint` is what they take of the
memory. `findings` is what a measurement gives back; `study` makes one, and leaves it behind by means of
`results`, `report`, `plots`, and `flames` with `stacks`.
"""
