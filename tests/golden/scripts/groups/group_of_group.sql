-- uses: bids
SELECT n, COUNT(*) AS auctions
FROM (SELECT auction, bidder, COUNT(*) AS n FROM bids GROUP BY auction, bidder)
GROUP BY n;
