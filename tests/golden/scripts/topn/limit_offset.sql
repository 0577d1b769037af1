-- uses: bids
SELECT id, price
FROM bids ORDER BY price, id LIMIT 3 OFFSET 2;
