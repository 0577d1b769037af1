-- uses: bids
SELECT id, auction, price
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, id) AS n FROM bids)
WHERE n <= 3;
