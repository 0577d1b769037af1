-- uses: bids
SELECT auction, MAX(ts) AS last_ts, MIN(channel) AS c
FROM bids
GROUP BY auction;
