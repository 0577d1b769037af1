-- uses: bids
SELECT auction, price, n
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS n FROM bids)
WHERE n BETWEEN 2 AND 3;
