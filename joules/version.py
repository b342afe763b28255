"""The version of the artifact and of its package; CITATION.cff and the changelog name the same."""

VERSION = "2.0.0.dev1"
