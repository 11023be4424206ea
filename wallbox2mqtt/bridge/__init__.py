"""Everything between the cloud and the broker: what is known, what to read next, and what becomes of commands."""
