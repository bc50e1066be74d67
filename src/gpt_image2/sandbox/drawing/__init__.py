"""The pictures: a landscape for a prompt, or the inputs of an edit with a change to be seen, as encoded
images. Reads the fonts of this system; knows nothing of HTTP.
"""
