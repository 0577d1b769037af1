-- uses: bids
SELECT id, auction, price
FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, id) <= 2;
