-- uses: bids
SELECT channel, AVG(price) AS mean, MIN(price) AS low, MAX(price) AS top
FROM bids
GROUP BY channel;
