-- uses: bids
SELECT auction, STDDEV_POP(price) AS sp, VAR_POP(price) AS vp
FROM bids
GROUP BY auction;
