"""Working with pictures: masks in words, nothing changed outside them, checks, cut-outs, exact sizes, a look.

Needs `pip install 'gpt-image2[pictures]'`. Everything here is arithmetic on arrays and gives frozen results;
`files` is the one module that opens and saves. The commands are below `commands/`.
"""
