-- uses: bids
SELECT id, COUNT(*) OVER (PARTITION BY auction + 1, UPPER(channel) ORDER BY ts), MIN(channel) OVER (PARTITION BY auction + 1, UPPER(channel) ORDER BY ts) FROM bids;
