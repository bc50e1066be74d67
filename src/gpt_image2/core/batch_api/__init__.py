"""OpenAI's Batch API: jobs handed over in files at half the price, followed, fetched when done."""
