-- uses: bids
SELECT auction, COUNT(*), MAX(window_end) FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY auction;
