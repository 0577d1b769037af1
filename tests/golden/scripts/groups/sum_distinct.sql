-- uses: bids
SELECT channel, SUM(DISTINCT bidder) AS s, AVG(DISTINCT bidder) AS a
FROM bids
GROUP BY channel;
