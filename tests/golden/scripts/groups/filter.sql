-- uses: bids
SELECT auction, SUM(price) FILTER (WHERE channel = 'web') AS web, COUNT(*) FILTER (WHERE channel = 'app') AS app
FROM bids
GROUP BY auction;
