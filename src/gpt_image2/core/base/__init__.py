"""The few things that everybody speaks of: errors, outcomes, events, records, signals, text that is safe to
show. Touches nothing but this process's signal handlers.
"""
