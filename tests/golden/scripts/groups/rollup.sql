-- uses: bids
SELECT auction, channel, SUM(price) AS total
FROM bids
GROUP BY ROLLUP (auction, channel);
