"""Where every setting comes from: flags, config files, the environment, what a probe has learnt. Reads them;
writes only what a probe has learnt.
"""
