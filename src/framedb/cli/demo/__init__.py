"""`framedb demo`: the main job on real input, end to end, with a worker killed half-way."""
