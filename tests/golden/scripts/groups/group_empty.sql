-- uses: bids
SELECT auction, COUNT(*) AS n
FROM bids
WHERE price < 0
GROUP BY auction;
