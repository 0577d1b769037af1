-- uses: bids
SELECT channel, COUNT(*) AS n
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY ts DESC) AS n FROM bids)
WHERE n = 1
GROUP BY channel;
