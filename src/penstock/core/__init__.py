"""Words that everyone uses: errors, types, schemas, time, deltas. Imports nothing of ours."""
