-- uses: bids
SELECT auction, channel, COUNT(*) AS n, GROUPING(auction) AS g, GROUPING_ID(auction, channel) AS gid
FROM bids
GROUP BY GROUPING SETS ((auction, channel), (auction), ());
