-- uses: bids
SELECT DISTINCT auction, channel
FROM bids;
