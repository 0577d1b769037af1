-- uses: bids
SELECT auction, LISTAGG(channel) AS l, LISTAGG(channel, '|') AS p
FROM bids
WHERE id < 12
GROUP BY auction;
