-- uses: bids
SELECT bidder, COUNT(*) AS n
FROM bids
GROUP BY bidder
HAVING COUNT(*) > 9;
