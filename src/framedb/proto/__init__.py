"""What is said over gRPC.

Here: the `.proto` files, and the code generated from them (`make proto`; a test checks that it is what they say).
Not here: anything that speaks it.
"""
