-- uses: bids
SELECT auction, channel, COUNT(*) AS n
FROM bids
GROUP BY CUBE (auction, channel);
