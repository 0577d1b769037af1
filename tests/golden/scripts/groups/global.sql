-- uses: bids
SELECT COUNT(*) AS n, SUM(price) AS total, MIN(ts) AS first_ts
FROM bids;
