-- uses: bids
SELECT auction, COLLECT(channel) AS c
FROM bids
GROUP BY auction;
