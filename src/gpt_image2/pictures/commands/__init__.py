"""The commands for working with pictures, one a module: words in, one thing done, lines and JSON out."""
