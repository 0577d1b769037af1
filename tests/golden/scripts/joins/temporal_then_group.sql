-- uses: trades rates
SELECT r.currency, SUM(t.amount * r.rate), COUNT(*) FROM trades t JOIN versioned_rates FOR SYSTEM_TIME AS OF t.ts r ON t.currency = r.currency GROUP BY r.currency;
