-- uses: bids
SELECT auction, COUNT(*) AS n, SUM(price) AS total
FROM bids
GROUP BY auction;
