"""Deep clustering, from the losses to the algorithms, written to be read beside the book."""

__version__ = "0.1.0"
