-- uses: bids
SELECT id, auction, LAG(price) OVER (PARTITION BY auction ORDER BY ts) AS before_price, LAG(price, 2, 0) OVER (PARTITION BY auction ORDER BY ts) AS two
FROM bids;
