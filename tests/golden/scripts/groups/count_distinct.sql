-- uses: bids
SELECT auction, COUNT(DISTINCT bidder) AS bidders, COUNT(DISTINCT channel) FILTER (WHERE price > 100) AS channels
FROM bids
GROUP BY auction;
