"""The library, for programs: the client of core with bytes, events, types and asyncio around it.

The public names are those of the package `gpt_image2`; what is not in its `__all__` may change.
"""
