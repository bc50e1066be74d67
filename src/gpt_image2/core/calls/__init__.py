"""One call, from a checked request to saved images: sent, sent again where that is safe, downloaded,
explained. Reads the input images; `wire` sends for it and `outputs` writes for it.
"""
