-- uses: bids
SELECT COUNT(*) AS n, SUM(price) AS total
FROM bids
WHERE price < 0;
