"""Sparse parity by process, metric and problem: does the winner by a proxy win by energy?"""
