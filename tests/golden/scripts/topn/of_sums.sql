-- uses: bids
SELECT bidder, total, n
FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY total DESC) AS n
FROM (SELECT bidder, SUM(price) AS total FROM bids GROUP BY bidder))
WHERE n <= 2;
