-- uses: bids
SELECT id, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ts) AS n
FROM bids;
