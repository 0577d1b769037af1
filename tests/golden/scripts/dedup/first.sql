-- uses: bids
SELECT id, auction, bidder
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY ts ASC) AS n FROM bids)
WHERE n = 1;
