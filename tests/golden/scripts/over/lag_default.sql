-- uses: bids
SELECT id, LAG(price, 2, -1) OVER (PARTITION BY auction ORDER BY ts) FROM (SELECT id, auction, price, ts FROM bids) ;
