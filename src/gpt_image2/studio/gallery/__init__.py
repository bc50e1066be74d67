"""The gallery over the ledger: cards, pictures by id, thumbnails, forgetting and deleting."""
