-- uses: bids
SELECT id, auction, SUM(price) OVER (PARTITION BY auction ORDER BY ts) AS total
FROM bids;
