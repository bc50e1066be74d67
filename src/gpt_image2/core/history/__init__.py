"""Reading and using the ledger: the commands `history`, `spend` and `cost`."""
