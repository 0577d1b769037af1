-- uses: bids
CREATE TEMPORARY VIEW firsts AS SELECT auction, bidder, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY ts) AS n FROM bids) WHERE n = 1;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE firsts, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
