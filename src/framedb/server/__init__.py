"""The HTTP face of a node.

Here: decoding requests, calling the node, encoding answers, and who is let in. Not here: any rule about frames.
"""
