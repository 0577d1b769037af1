-- uses: bids
SELECT id, LEAD(price) OVER (PARTITION BY auction ORDER BY ts) FROM bids;
