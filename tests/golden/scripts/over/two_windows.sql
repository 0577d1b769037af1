-- uses: bids
SELECT id, COUNT(*) OVER (PARTITION BY auction ORDER BY ts), COUNT(*) OVER (PARTITION BY bidder ORDER BY ts) FROM bids;
