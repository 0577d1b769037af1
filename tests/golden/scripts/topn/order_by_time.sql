-- uses: bids
SELECT id, ts
FROM bids ORDER BY ts;
