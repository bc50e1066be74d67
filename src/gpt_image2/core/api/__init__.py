"""What the API is: the fields of a request, sizes, prices, rate limits, and what an image file says.
Pure, but for reading image files.
"""
